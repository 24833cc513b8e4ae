/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup hierarchies from proc(5)'s mountinfo and cgroups(7)'s /proc/PID/cgroup. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/cgroups.h"
#include "collect/mountinfo.h"

#define LINE_MAX_LEN 4096
#define MINOR_BITS 20 /* include/linux/kdev_t.h */

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* "31 23 0:28 ROOT POINT rw,relatime [optional fields] - TYPE SOURCE OPTIONS" */
static bool parse_mount(const char *line, struct mountinfo *ret)
{
	const char *dash = strstr(line, " - ");
	unsigned int major, minor;

	if (!dash || sscanf(line, "%*s %*s %u:%u %1023s %1023s", &major, &minor, ret->root, ret->point) != 4)
		return false;
	if (sscanf(dash + 3, "%15s %255s %511s", ret->type, ret->source, ret->options) != 3)
		return false;
	ret->dev = major << MINOR_BITS | minor;
	unescape(ret->root);
	unescape(ret->point);
	unescape(ret->source);
	return true;
}

/* The next line of *text into ret; false at the end.  Longer lines are cut. */
static bool next_line(const char **text, char ret[LINE_MAX_LEN])
{
	size_t len = strcspn(*text, "\n");

	if (!**text)
		return false;
	snprintf(ret, LINE_MAX_LEN, "%.*s", (int)MIN(len, (size_t)LINE_MAX_LEN - 1), *text);
	*text += len + ((*text)[len] == '\n');
	return true;
}

bool mountinfo_next(const char **text, struct mountinfo *ret)
{
	char line[LINE_MAX_LEN];

	while (next_line(text, line))
		if (parse_mount(line, ret))
			return true;
	return false;
}

static bool has_word(const char *list, const char *word, size_t len)
{
	for (const char *p = list; *p; p += strcspn(p, ",")) {
		p += *p == ',';
		if (!strncmp(p, word, len) && (p[len] == ',' || !p[len]))
			return true;
		if (!*p)
			break;
	}
	return false;
}

/* Every controller of the line is among the mount's options. */
static bool same_hierarchy(const char *controllers, const char *options)
{
	for (const char *p = controllers; *p;) {
		size_t len = strcspn(p, ",");

		if (!len || !has_word(options, p, len))
			return false;
		p += len + (p[len] == ',');
	}
	return controllers[0] != '\0';
}

/* Number and controllers of a v1 mount; false when no line of /proc/self/cgroup fits. */
static bool find_number(const char *self_cgroup, const struct mountinfo *m, struct cgroup_hierarchy *ret)
{
	char line[LINE_MAX_LEN];

	while (next_line(&self_cgroup, line)) {
		char *controllers = strchr(line, ':'), *end;

		if (!controllers)
			continue;
		*controllers++ = '\0';
		end = strchr(controllers, ':');
		if (!end)
			continue;
		*end = '\0';
		if (!same_hierarchy(controllers, m->options))
			continue;
		ret->number = strtoul(line, NULL, 10);
		snprintf(ret->controllers, sizeof(ret->controllers), "%.31s", controllers);
		return ret->number > 0 && ret->number < 256;
	}
	return false;
}

/* A hierarchy may be mounted often; the mount that shows all of it is the one to read. */
static bool better(const struct mountinfo *m, const struct cgroup_hierarchy *known)
{
	return strcmp(known->root, "/") != 0 && !strcmp(m->root, "/");
}

static bool add_mount(struct cgroup_hierarchy *list, unsigned int count, const struct mountinfo *m,
		      const struct cgroup_hierarchy *what)
{
	struct cgroup_hierarchy *h = &list[count];
	bool fresh = true;

	for (unsigned int i = 0; i < count && fresh; i++) {
		if (list[i].number != what->number)
			continue;
		if (!better(m, &list[i]))
			return false;
		h = &list[i];
		fresh = false;
		free(h->mount);
		free(h->root);
	}
	*h = *what;
	h->mount = strdup(m->point);
	h->root = strdup(m->root);
	return fresh;
}

unsigned int cgroup_hierarchies_parse(const char *mountinfo, const char *self_cgroup, struct cgroup_hierarchy *ret,
				      unsigned int max)
{
	unsigned int count = 0;
	struct mountinfo m;

	while (count < max && mountinfo_next(&mountinfo, &m)) {
		struct cgroup_hierarchy what = { 0 };

		if (!strcmp(m.type, "cgroup") ? !find_number(self_cgroup, &m, &what) : strcmp(m.type, "cgroup2") != 0)
			continue;
		count += add_mount(ret, count, &m, &what);
	}
	return count;
}
