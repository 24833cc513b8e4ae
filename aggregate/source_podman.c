/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Podman's storage (containers/storage, types.Container): STORAGE/DRIVER-containers/containers.json and
 * volatile-containers.json list names and images.  The bundle lies in the same storage, so that of an account's own
 * Podman is found too.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/metadata.h"
#include "base/cleanup.h"

static const json_t *find_id(const json_t *list, const char *id)
{
	const json_t *each;
	size_t i;

	json_array_foreach((json_t *)list, i, each)
		if (!strcmp(metadata_text(each, "id"), id))
			return each;
	return NULL;
}

/* "metadata" is JSON in a string; CRI-O's storage has the same form, but its annotations say more. */
static void container_facts(struct lookup *l, const json_t *c, json_t *found)
{
	const char *text = metadata_text(c, "metadata");
	const char *name = json_string_value(json_array_get(json_object_get(c, "names"), 0));
	json_t *metadata;

	metadata_set(found, "id", l->id);
	metadata_set(found, "name", name);
	metadata_set(found, "runtime", "podman");
	if (metadata_parse_json(l, "metadata of containers.json", text, strlen(text), &metadata))
		return;
	metadata_set(found, "image", metadata_text(metadata, "image-name"));
	json_decref(metadata);
}

static int look_in(struct lookup *l, const char *dir, const char *file, json_t *found)
{
	char path[PATH_MAX];
	const json_t *c;
	json_t *list;
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, file) >= sizeof(path))
		return 0;
	r = metadata_read_json(l, path, &list);
	if (r)
		return r == -EBADMSG ? r : 0;
	c = find_id(list, l->id);
	if (c)
		container_facts(l, c, found);
	json_decref(list);
	return c ? 1 : 0;
}

/* The static storage, where the list is, even when the bundle lies in the one below /run. */
static void storage_dir(const struct lookup *l, char ret[PATH_MAX])
{
	const char *bundle = metadata_text(l->known, "bundle"), *end;
	char within[256];

	snprintf(within, sizeof(within), "-containers/%s/userdata", l->id);
	end = strstr(bundle, within);
	if (end && strncmp(bundle, "/run/containers/", 16))
		snprintf(ret, PATH_MAX, "%.*s-containers", (int)(end - bundle), bundle);
	else
		snprintf(ret, PATH_MAX, "/var/lib/containers/storage/overlay-containers");
}

static int look(struct lookup *l, json_t *found)
{
	static const char *const files[] = { "containers.json", "volatile-containers.json" };
	char dir[PATH_MAX];
	int r = 0;

	/* The disk lane's first source knows better whose it is. */
	if (*metadata_text(l->known, "runtime") && strcmp(metadata_text(l->known, "runtime"), "podman"))
		return 0;
	storage_dir(l, dir);
	for (size_t i = 0; r <= 0 && i < ARRAY_SIZE(files); i++)
		r = look_in(l, dir, files[i], found);
	for (size_t i = 0; r <= 0 && i < ARRAY_SIZE(files); i++)
		r = look_in(l, "/var/lib/containers/storage/vfs-containers", files[i], found);
	return r;
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME && (!strcmp(l->what.runtime, "podman") || !strcmp(l->what.runtime, "oci"));
}

const struct metadata_source source_podman = { .wants = wants, .look = look };
