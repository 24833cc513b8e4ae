/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/fileutil.h"
#include "base/timeutil.h"

#define CONFIG_FILE_MAX (1 << 20)

struct setting {
	const char *key;
	enum setting_type type;
	const char *fallback;
};

static const struct setting settings[] = {
#define SETTING(key, type, fallback, meaning) { key, type, fallback },
#include "base/settings.def"
#undef SETTING
};

struct value {
	int64_t number; /* spans in ns, sizes in bytes, integers, booleans */
	double ratio;
	char *text;
};

struct config {
	struct value values[ARRAY_SIZE(settings)];
};

static const struct setting *find_setting(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].key, key))
			return &settings[i];
	return NULL;
}

bool config_known(const char *key)
{
	return find_setting(key) != NULL;
}

static int parse_bool(const char *text, int64_t *ret)
{
	static const char *const yes[] = { "true", "yes", "on", "1" };
	static const char *const no[] = { "false", "no", "off", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
			*ret = !strcmp(text, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_count(const char *text, int64_t *ret)
{
	return *text == '-' ? -EINVAL : int_parse(text, ret);
}

static int parse_ratio(const char *text, double *ret)
{
	char *end;
	double value;

	/* strtod() would also take blanks, signs, hexadecimal numbers, "inf" and "nan". */
	if (!*text || text[strspn(text, "0123456789.eE-+")] || *text == '-' || *text == '+')
		return -EINVAL;
	value = strtod(text, &end);
	if (*end)
		return -EINVAL;
	if (!isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

static int parse_value(enum setting_type type, const char *text, struct value *value)
{
	char *copy;

	switch (type) {
	case SETTING_SPAN:
		return time_parse_span(text, &value->number);
	case SETTING_SIZE:
		return size_parse(text, &value->number);
	case SETTING_INT:
		return parse_count(text, &value->number);
	case SETTING_BOOL:
		return parse_bool(text, &value->number);
	case SETTING_RATIO:
		return parse_ratio(text, &value->ratio);
	case SETTING_STRING:
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
		free(value->text);
		value->text = copy;
		return 0;
	}
	return -EINVAL;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		free(c->values[i].text);
	free(c);
}

struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		int r = parse_value(settings[i].type, settings[i].fallback, &c->values[i]);

		assert(r == 0 || r == -ENOMEM);
		if (r < 0) {
			config_free(c);
			return NULL;
		}
	}
	return c;
}

static struct config *config_copy(const struct config *from)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		c->values[i] = from->values[i];
		if (!from->values[i].text)
			continue;
		c->values[i].text = strdup(from->values[i].text);
		if (!c->values[i].text) {
			config_free(c);
			return NULL;
		}
	}
	return c;
}

static const char *expected_form(enum setting_type type)
{
	static const char *const forms[] = {
		[SETTING_SPAN] = "a time span such as 10ms, 2s or 1h30m",
		[SETTING_SIZE] = "a size such as 64M, 2G or 4096",
		[SETTING_INT] = "a whole number",
		[SETTING_BOOL] = "true or false",
		[SETTING_STRING] = "text",
		[SETTING_RATIO] = "a number such as 0.1",
	};

	return forms[type];
}

int config_set(struct config *c, const char *key, const char *value, struct strbuf *ret_error)
{
	const struct setting *s = find_setting(key);
	int r;

	if (!s) {
		strbuf_addstr(ret_error, "unknown setting \"");
		strbuf_add_plain(ret_error, key);
		strbuf_addstr(ret_error, "\"");
		return -ENOENT;
	}
	r = parse_value(s->type, value, &c->values[s - settings]);
	if (r == -ENOMEM) {
		strbuf_addf(ret_error, "%s: out of memory", s->key);
	} else if (r < 0) {
		strbuf_addf(ret_error, "%s: \"", s->key);
		strbuf_add_plain(ret_error, value);
		strbuf_addf(ret_error, "\" is %s%s", r == -ERANGE ? "too large for " : "not ", expected_form(s->type));
	}
	return r;
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t\r");
	len = strlen(s);
	while (len && strchr(" \t\r", s[len - 1]))
		s[--len] = '\0';
	return s;
}

/* A '#' at the beginning or after a blank; one within a word belongs to the value. */
static void cut_comment(char *line)
{
	for (char *p = line; (p = strchr(p, '#')); p++) {
		if (p == line || p[-1] == ' ' || p[-1] == '\t') {
			*p = '\0';
			return;
		}
	}
}

static int load_line(struct config *c, char *line, struct strbuf *ret_error)
{
	char *equals;

	cut_comment(line);
	line = trim(line);
	if (!*line)
		return 0;
	equals = strchr(line, '=');
	if (!equals) {
		strbuf_addstr(ret_error, "expected \"key = value\"");
		return -EINVAL;
	}
	*equals = '\0';
	return config_set(c, trim(line), trim(equals + 1), ret_error);
}

static int load_text(struct config *c, const char *path, char *text, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf what = STRBUF_INIT;
	unsigned int number = 1;

	for (char *line = text, *next; line; line = next, number++) {
		int r;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		r = load_line(c, line, &what);
		if (r == 0)
			continue;
		strbuf_add_plain(ret_error, path);
		strbuf_addf(ret_error, ":%u: %s", number, strbuf_str(&what));
		return r;
	}
	return 0;
}

int config_load(struct config *c, const char *path, struct strbuf *ret_error)
{
	AUTO_FREE char *text = NULL;
	struct config *loaded;
	struct config before;
	size_t len;
	int r = file_read_alloc(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len);

	if (r < 0) {
		strbuf_add_plain(ret_error, path);
		strbuf_addf(ret_error, ": %s", strerror(-r));
		return r;
	}
	if (strlen(text) != len) {
		strbuf_add_plain(ret_error, path);
		strbuf_addstr(ret_error, ": holds a NUL byte");
		return -EINVAL;
	}
	/* All or nothing: a file with an error on its last line changes no setting. */
	loaded = config_copy(c);
	if (!loaded) {
		strbuf_add_plain(ret_error, path);
		strbuf_addstr(ret_error, ": out of memory");
		return -ENOMEM;
	}
	r = load_text(loaded, path, text, ret_error);
	if (r == 0) {
		before = *c;
		*c = *loaded;
		*loaded = before;
	}
	config_free(loaded);
	return r;
}

static const struct value *value_of(const struct config *c, const char *key, enum setting_type type)
{
	const struct setting *s = find_setting(key);

	assert(s && s->type == type);
	return &c->values[s - settings];
}

int64_t config_ns(const struct config *c, const char *key)
{
	return value_of(c, key, SETTING_SPAN)->number;
}

int64_t config_bytes(const struct config *c, const char *key)
{
	return value_of(c, key, SETTING_SIZE)->number;
}

int64_t config_int(const struct config *c, const char *key)
{
	return value_of(c, key, SETTING_INT)->number;
}

bool config_bool(const struct config *c, const char *key)
{
	return value_of(c, key, SETTING_BOOL)->number;
}

double config_ratio(const struct config *c, const char *key)
{
	return value_of(c, key, SETTING_RATIO)->ratio;
}

const char *config_string(const struct config *c, const char *key)
{
	return value_of(c, key, SETTING_STRING)->text;
}

/* One spelling per value ("1s" and "1000ms" are the same setting), which config_load() reads back. */
void config_dump(const struct config *c, struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct value *v = &c->values[i];

		strbuf_addf(out, "%s = ", settings[i].key);
		switch (settings[i].type) {
		case SETTING_SPAN:
			strbuf_addf(out, "%" PRId64 "ns", v->number);
			break;
		case SETTING_SIZE:
		case SETTING_INT:
			strbuf_addf(out, "%" PRId64, v->number);
			break;
		case SETTING_BOOL:
			strbuf_addstr(out, v->number ? "true" : "false");
			break;
		case SETTING_RATIO:
			strbuf_addf(out, "%.15g", v->ratio);
			break;
		case SETTING_STRING:
			strbuf_addstr(out, v->text);
			break;
		}
		strbuf_addch(out, '\n');
	}
}
