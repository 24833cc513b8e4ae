/* SPDX-License-Identifier: Apache-2.0 */
/* The systemd unit a cgroup belongs to: the innermost part of its path that is one. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "aggregate/metadata.h"
#include "base/cleanup.h"

static bool is_unit(const char *part, size_t len)
{
	static const char *const kinds[] = { ".service", ".scope", ".slice", ".socket", ".mount" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i]);

		if (len > n && !memcmp(part + len - n, kinds[i], n))
			return true;
	}
	return false;
}

/* The innermost; "" when none is. */
static void unit_of(const char *path, char ret[256])
{
	ret[0] = '\0';
	for (const char *part = path; *part;) {
		size_t len;

		part += strspn(part, "/");
		len = strcspn(part, "/");
		if (len < 256 && is_unit(part, len))
			snprintf(ret, 256, "%.*s", (int)len, part);
		part += len;
	}
}

static int look(struct lookup *l, json_t *found)
{
	char unit[256];

	unit_of(l->path, unit);
	metadata_set(found, "unit", unit);
	return *unit != '\0';
}

/* Elsewhere a directory may be called so, but no unit is. */
static bool wants(const struct lookup *l)
{
	char path[PATH_MAX], unit[256];
	struct stat st;

	unit_of(l->path, unit);
	snprintf(path, sizeof(path), "%s/run/systemd/system", l->root);
	return *unit && !stat(path, &st); /* sd_booted(3) */
}

const struct metadata_source source_systemd = { .wants = wants, .look = look };
