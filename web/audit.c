/* SPDX-License-Identifier: Apache-2.0 */
#include "web/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/jsonw.h"
#include "base/timeutil.h"
#include "web/rows.h"

#define BODY_MAX 512
#define MINUTE_NS (60 * NSEC_PER_SEC)

struct audit {
	pthread_mutex_t lock;
	char path[PATH_MAX], old[PATH_MAX];
	int64_t minute_ns; /* when counting of refusals began */
	unsigned int refusals;
	int64_t unrecorded;
};

static void make_paths(const char *state_dir, char path[PATH_MAX], char old[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/reports/audit.jsonl", state_dir);
	snprintf(old, PATH_MAX, "%s/reports/audit.old.jsonl", state_dir);
}

struct audit *audit_new(const char *state_dir)
{
	struct audit *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	make_paths(state_dir, a->path, a->old);
	return a;
}

void audit_free(struct audit *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static bool is_refusal(unsigned int status)
{
	return status == 401 || status == 403 || status == 421;
}

/* Whether this refusal is one too many. */
static bool too_many(struct audit *a, const struct audit_entry *e)
{
	if (!is_refusal(e->status))
		return false;
	if (e->ts_ns - a->minute_ns > MINUTE_NS) {
		a->minute_ns = e->ts_ns;
		a->refusals = 0;
	}
	if (a->refusals++ < AUDIT_REFUSALS)
		return false;
	a->unrecorded++;
	return true;
}

static void write_line(const struct audit *a, const struct audit_entry *e, struct strbuf *out)
{
	char body[BODY_MAX + 1];
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_ns(&w, "ts_ns", e->ts_ns);
	jsonw_str(&w, "who", e->who);
	jsonw_str(&w, "role", e->role);
	jsonw_str(&w, "from", e->from);
	jsonw_str(&w, "method", e->method);
	jsonw_str(&w, "path", e->path);
	jsonw_int(&w, "status", e->status);
	if (e->body) {
		snprintf(body, sizeof(body), "%s", e->body);
		jsonw_str(&w, "body", body);
	}
	if (a->unrecorded)
		jsonw_int(&w, "unrecorded", a->unrecorded);
	jsonw_end_object(&w);
	strbuf_addch(out, '\n');
}

static int append(struct audit *a, const struct strbuf *line)
{
	AUTO_CLOSE int fd = open(a->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_size + (off_t)line->len > AUDIT_FILE_MAX && st.st_size) {
		if (rename(a->path, a->old))
			return -errno;
		close(fd);
		fd = open(a->path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (fd < 0)
			return -errno;
	}
	n = write(fd, line->data, line->len);
	return n == (ssize_t)line->len ? 0 : n < 0 ? -errno : -EIO;
}

int audit_write(struct audit *a, const struct audit_entry *e)
{
	AUTO(strbuf) struct strbuf line = STRBUF_INIT;
	int r = 0;

	pthread_mutex_lock(&a->lock);
	if (!too_many(a, e)) {
		write_line(a, e, &line);
		r = strbuf_error(&line) ? -ENOMEM : append(a, &line);
		if (!r)
			a->unrecorded = 0;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

/* Takes the lines of text from its end on.  A line that a crash cut in two is left out. */
static int take_lines(char *text, size_t len, int64_t since_ns, int64_t until_ns, int64_t limit, json_t *entries)
{
	while (len && (int64_t)json_array_size(entries) < limit) {
		char *begin;
		json_t *entry;
		int64_t ts_ns;

		text[--len] = 0; /* the line end */
		begin = memrchr(text, '\n', len);
		begin = begin ? begin + 1 : text;
		len = (size_t)(begin - text);
		entry = json_loads(begin, 0, NULL);
		ts_ns = value_int(entry, "ts_ns", -1);
		if (ts_ns < since_ns || ts_ns >= until_ns)
			json_decref(entry);
		else if (json_array_append_new(entries, entry))
			return -ENOMEM;
	}
	return 0;
}

int audit_read(const char *state_dir, int64_t since_ns, int64_t until_ns, int64_t limit, json_t **ret_entries)
{
	char paths[2][PATH_MAX];
	json_t *entries = json_array();
	int r = entries ? -ENOENT : -ENOMEM;

	make_paths(state_dir, paths[0], paths[1]);
	for (size_t i = 0; entries && i < ARRAY_SIZE(paths); i++) {
		AUTO_FREE char *text = NULL;
		size_t len;
		/* The writer may put its last line over the limit. */
		int e = file_read_alloc(AT_FDCWD, paths[i], 2 * AUDIT_FILE_MAX, &text, &len);

		if (!e)
			e = take_lines(text, len, since_ns, until_ns, limit, entries);
		if (e && e != -ENOENT) {
			r = e;
			break;
		}
		r = e ? r : 0;
	}
	if (r) {
		json_decref(entries);
		return r;
	}
	*ret_entries = entries;
	return 0;
}
