/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI bundles.  Where a bundle lies is known from, in this order: the command line of the process that made the cgroup,
 * which is the runtime itself ("runc create --bundle DIR ID"), as it is now or as it was then; the places where runtimes
 * keep their bundles and states; the container's parent process: conmon ("-b DIR") or a shim of containerd, which works in the bundle of its pod's
 * first container, beside the others.  The bundle is on disk before the container's first instruction.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/metadata.h"
#include "aggregate/oci.h"
#include "base/cleanup.h"
#include "base/fileutil.h"

#define CMDLINE_MAX 4096
#define SCOPE_DASHES_MAX 8
#define DIRS_MAX 64 /* namespaces, storage drivers: directories between a place and an id */

/* Directories with bundles: PLACE/ANYTHING/ID + suffix. */
static const struct {
	const char *place, *ends, *suffix;
} places[] = {
	{ "/run/containerd/io.containerd.runtime.v2.task", "", "" },
	{ "/run/docker/containerd/daemon/io.containerd.runtime.v2.task", "", "" },
	{ "/var/run/docker/containerd/daemon/io.containerd.runtime.v2.task", "", "" },
	{ "/run/containers/storage", "-containers", "/userdata" },
	{ "/var/lib/containers/storage", "-containers", "/userdata" },
};

/* ---- one candidate ----------------------------------------------------------------------------------------------- */

/* dir: below the root.  1, 0 when there is no bundle or it is another container's, -EBADMSG. */
static int try_bundle(struct lookup *l, const char *dir, const char *id, json_t *found)
{
	char path[PATH_MAX];
	json_t *config;
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/config.json", dir) >= sizeof(path))
		return 0;
	r = metadata_read_json(l, path, &config);
	if (r)
		return r == -EBADMSG ? r : 0;
	r = oci_is_for(config, l->path, id);
	if (r)
		oci_facts(config, dir, id, found);
	json_decref(config);
	return r;
}

/* A better answer than "not there" stands: 1 over -EBADMSG over 0. */
static int better(int a, int b)
{
	return a == 1 || b == 1 ? 1 : a < 0 ? a : b;
}

/* ---- by process -------------------------------------------------------------------------------------------------- */

struct arguments {
	char text[CMDLINE_MAX];
	size_t len;
};

static bool read_arguments(const struct lookup *l, uint32_t pid, struct arguments *ret)
{
	char path[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/proc/%u/cmdline", l->root, pid);
	n = file_read(AT_FDCWD, path, ret->text, sizeof(ret->text));
	ret->len = n > 0 ? (size_t)n : n == -E2BIG ? sizeof(ret->text) - 1 : 0;
	return ret->len > 0;
}

static const char *next_argument(const struct arguments *a, const char *at)
{
	size_t left = a->len - (size_t)(at - a->text), len = strnlen(at, left);

	return len + 1 < left ? at + len + 1 : NULL;
}

/* The value of an option: "--bundle DIR", "--bundle=DIR". */
static const char *option_value(const struct arguments *a, const char *const *names)
{
	for (const char *at = a->text; at; at = next_argument(a, at))
		for (size_t i = 0; names[i]; i++) {
			size_t len = strlen(names[i]);

			if (!strcmp(at, names[i]))
				return next_argument(a, at);
			if (!strncmp(at, names[i], len) && at[len] == '=')
				return at + len + 1;
		}
	return NULL;
}

static const char *last_argument(const struct arguments *a)
{
	const char *last = a->text;

	for (const char *at = a->text; at; at = next_argument(a, at))
		if (*at)
			last = at;
	return last;
}

/*
 * A directory as that process names it, below our root: relative ones are below where it works, and all below its root,
 * which is not ours when the runtime itself runs in a container.
 */
static bool process_dir(const struct lookup *l, uint32_t pid, const char *dir, char ret[PATH_MAX])
{
	char link[PATH_MAX], cwd[PATH_MAX], own[64];
	ssize_t n;

	snprintf(own, sizeof(own), "/proc/%u/root", pid);
	if (dir && dir[0] == '/') {
		cwd[0] = '\0';
	} else {
		snprintf(link, sizeof(link), "%s/proc/%u/cwd", l->root, pid);
		n = readlink(link, cwd, sizeof(cwd) - 1);
		if (n <= 0)
			return false;
		cwd[n] = '\0';
	}
	/* Our own root needs no detour, and its name is worth more to a reader. */
	snprintf(link, sizeof(link), "%s%s", l->root, own);
	n = readlink(link, ret, PATH_MAX - 1);
	if (n == 1 && ret[0] == '/')
		own[0] = '\0';
	return (size_t)snprintf(ret, PATH_MAX, "%s%s%s%s", own, cwd, dir && dir[0] != '/' ? "/" : "", dir ? dir : "") <
	       PATH_MAX;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* For a bundle that lies nowhere special: whoever made the cgroup is the runtime. */
static void runtime_of_maker(const char *program, const char *id, json_t *found)
{
	static const char *const runtimes[] = { "runc", "crun", "youki", "runsc", "kata-runtime" };
	const char *name = base_name(program);

	if (*metadata_text(found, "runtime"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++)
		if (!strcmp(name, runtimes[i]))
			metadata_set(found, "runtime", name);
	metadata_set(found, "name", id);
}

static int by_maker(struct lookup *l, json_t *found)
{
	static const char *const options[] = { "--bundle", "-b", NULL };
	struct arguments a;
	const char *id, *bundle;
	char dir[PATH_MAX];
	int r;

	if (!l->maker || !read_arguments(l, l->maker, &a))
		return 0;
	id = l->what.id[0] ? l->what.id : last_argument(&a);
	bundle = option_value(&a, options);
	if (!process_dir(l, l->maker, bundle, dir))
		return 0;
	r = try_bundle(l, dir, id, found);
	if (r == 1)
		runtime_of_maker(a.text, id, found);
	return r;
}

/* What the kernel's record has of its command line, should it be gone by now. */
static int by_record(struct lookup *l, json_t *found)
{
	char text[sizeof(((struct kw_cgroup *)0)->maker)], *dir, *id;
	int r;

	snprintf(text, sizeof(text), "%s", l->made_by);
	dir = strchr(text, '\n');
	id = dir ? strchr(dir + 1, '\n') : NULL;
	if (!id)
		return 0;
	*dir++ = '\0';
	*id++ = '\0';
	if (l->what.id[0])
		id = l->what.id;
	r = try_bundle(l, dir, id, found);
	if (r == 1)
		runtime_of_maker(text, id, found);
	return r;
}

static uint32_t parent_of(const struct lookup *l, uint32_t pid)
{
	char path[PATH_MAX], text[1024];
	const char *end;
	unsigned int parent;

	snprintf(path, sizeof(path), "%s/proc/%u/stat", l->root, pid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return 0;
	end = strrchr(text, ')'); /* the name before may hold anything */
	return end && sscanf(end + 1, " %*c %u", &parent) == 1 ? parent : 0;
}

static int by_parent(struct lookup *l, json_t *found)
{
	static const char *const options[] = { "-b", "--bundle", NULL };
	uint32_t parent = l->member ? parent_of(l, l->member) : 0;
	struct arguments a;
	char dir[PATH_MAX], beside[PATH_MAX];
	const char *bundle;
	int r;

	if (parent <= 1 || !read_arguments(l, parent, &a))
		return 0;
	bundle = option_value(&a, options);
	if (!process_dir(l, parent, bundle, dir))
		return 0;
	r = try_bundle(l, dir, l->id, found);
	if (r != 1 && !bundle && (size_t)snprintf(beside, sizeof(beside), "%s/../%s", dir, l->id) < sizeof(beside))
		r = better(r, try_bundle(l, beside, l->id, found));
	return r;
}

/* ---- by place ---------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

static int look_below(struct lookup *l, size_t place, json_t *found)
{
	char path[PATH_MAX];
	unsigned int left = DIRS_MAX;
	const struct dirent *e;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "%s%s", l->root, places[place].place);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (r != 1 && left && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || !ends_with(e->d_name, places[place].ends))
			continue;
		left--;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s%s", places[place].place, e->d_name, l->id,
				     places[place].suffix) < sizeof(path))
			r = better(r, try_bundle(l, path, l->id, found));
	}
	closedir(dir);
	return r;
}

/* runc keeps "bundle=DIR" among the labels of its state (libcontainer/configs, Config.Labels). */
static const char *runc_bundle(const json_t *state)
{
	json_t *label;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(state, "config"), "labels"), i, label) {
		const char *text = json_string_value(label);

		if (text && !strncmp(text, "bundle=", 7))
			return text + 7;
	}
	return "";
}

static const char *crun_bundle(const json_t *state)
{
	return metadata_text(state, "bundle");
}

/* Where runtimes that were called by hand keep their states: PLACE/ID/FILE. */
static const struct {
	const char *runtime, *place, *file;
	const char *(*bundle)(const json_t *state);
} states[] = {
	{ "runc", "/run/runc", "state.json", runc_bundle },
	{ "crun", "/run/crun", "status", crun_bundle },
};

static int by_state(struct lookup *l, size_t i, const char *id, json_t *found)
{
	char path[PATH_MAX];
	json_t *state;
	int r;

	snprintf(path, sizeof(path), "%s/%s/%s", states[i].place, id, states[i].file);
	r = metadata_read_json(l, path, &state);
	if (r)
		return r == -EBADMSG ? r : 0;
	if (states[i].bundle(state)[0] == '/')
		r = try_bundle(l, states[i].bundle(state), id, found);
	json_decref(state);
	if (r == 1 && !*metadata_text(found, "runtime")) {
		metadata_set(found, "runtime", states[i].runtime);
		metadata_set(found, "name", id);
	}
	return r;
}

static int by_states(struct lookup *l, const char *id, json_t *found)
{
	int r = 0;

	for (size_t i = 0; r != 1 && *id && *id != '.' && i < ARRAY_SIZE(states); i++)
		r = better(r, by_state(l, i, id, found));
	return r;
}

/* A scope that systemd made for a runtime, PREFIX-ID.scope; both may have dashes. */
static int by_scope(struct lookup *l, json_t *found)
{
	char name[sizeof(l->id)], *id = name;
	int r = 0;

	if (!ends_with(l->id, ".scope"))
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(l->id) - strlen(".scope")), l->id);
	for (unsigned int i = 0; r != 1 && i < SCOPE_DASHES_MAX && (id = strchr(id, '-')); i++)
		r = better(r, by_states(l, ++id, found));
	return r;
}

static int look(struct lookup *l, json_t *found)
{
	int r = by_maker(l, found);

	if (r != 1)
		r = better(r, by_record(l, found));
	for (size_t i = 0; r != 1 && l->id[0] && i < ARRAY_SIZE(places); i++)
		r = better(r, look_below(l, i, found));
	if (r != 1)
		r = better(r, by_states(l, l->id, found));
	if (r != 1)
		r = better(r, by_scope(l, found));
	if (r != 1 && l->id[0])
		r = better(r, by_parent(l, found));
	return r;
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME || l->what.kind == CONTAINER_CGROUP;
}

const struct metadata_source source_oci = { .wants = wants, .look = look };
