/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/hashmap.h"
#include "collect/mountinfo.h"
#include "schema/kinds.h"

#define TEXT_MAX (1 << 20) /* of one mountinfo: some ten thousand mounts */

struct mounted {
	struct kw_cg cg;
	uint64_t ns; /* inode of the mount namespace */
	unsigned int count;
	uint32_t devices[MOUNTS_DEVICES_MAX];
};

struct root {
	uint32_t dev;
	char dir[1024];
};

struct mounts {
	char proc[256];
	cgroups_emit_fn emit;
	void *emit_ctx;
	uint64_t host_ns;
	struct root host;
	struct hashmap *by_cg; /* struct kw_cg -> struct mounted */
	struct hashmap *by_ns; /* inode -> the same */
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static uint64_t namespace_of(const struct mounts *m, const char *process)
{
	char path[320], text[64];
	unsigned long long inode;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s/ns/mnt", m->proc, process);
	n = readlink(path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "mnt:[%llu]", &inode) == 1 ? inode : 0;
}

static char *read_mounts(const struct mounts *m, const char *process)
{
	char path[320], *text;

	snprintf(path, sizeof(path), "%s/%s/mountinfo", m->proc, process);
	return file_read_alloc(AT_FDCWD, path, TEXT_MAX, &text, NULL) ? NULL : text;
}

/* What is mounted last on / is what the process sees there. */
static bool find_root(const char *text, struct root *ret)
{
	struct mountinfo mi;
	bool found = false;

	while (mountinfo_next(&text, &mi)) {
		if (strcmp(mi.point, "/") != 0)
			continue;
		ret->dev = mi.dev;
		snprintf(ret->dir, sizeof(ret->dir), "%s", mi.root);
		found = true;
	}
	return found;
}

/* Services of the host may have a mount namespace of their own, yet see the host's file systems. */
static bool is_host(const struct mounts *m, const struct root *root)
{
	return root->dev == m->host.dev && !strcmp(root->dir, m->host.dir);
}

/* The kernel's own file systems have neither a device nor a source that could be elsewhere. */
static bool is_somewhere(const struct mountinfo *mi)
{
	return mi->dev >> 20 || strpbrk(mi->source, "/:");
}

static bool has(const struct mounted *d, uint32_t dev)
{
	for (unsigned int i = 0; i < d->count; i++)
		if (d->devices[i] == dev)
			return true;
	return false;
}

static void announce(const struct mounts *m, const struct mounted *d, const struct mountinfo *mi, uint64_t now_ns)
{
	struct {
		struct kw_event e;
		struct kw_mount p;
	} r = {
		.e = { .kind = KW_KIND_mount, .payload_size = sizeof(r.p), .flags = KW_FLAG_POLLED, .ts_ns = now_ns,
		       .subject.cg = d->cg },
		.p.dev = mi->dev,
	};

	snprintf(r.p.type, sizeof(r.p.type), "%s", mi->type);
	snprintf(r.p.source, sizeof(r.p.source), "%.63s", mi->source);
	snprintf(r.p.point, sizeof(r.p.point), "%.127s", mi->point);
	m->emit(m->emit_ctx, &r.e);
}

static void take(const struct mounts *m, struct mounted *d, const char *text, uint64_t now_ns)
{
	struct mountinfo mi;

	while (d->count < MOUNTS_DEVICES_MAX && mountinfo_next(&text, &mi)) {
		if (strcmp(mi.root, "/") != 0 || mi.dev == m->host.dev || !is_somewhere(&mi) || has(d, mi.dev))
			continue;
		d->devices[d->count++] = mi.dev;
		announce(m, d, &mi, now_ns);
	}
}

/* ---- table ------------------------------------------------------------------------------------------------------- */

void mounts_gone(struct mounts *m, const struct kw_cg *cg)
{
	struct mounted *d = hashmap_remove(m->by_cg, cg);

	if (!d)
		return;
	hashmap_remove(m->by_ns, &d->ns);
	free(d);
}

static struct mounted *add(struct mounts *m, const struct kw_cg *cg, uint64_t ns)
{
	struct mounted *d = calloc(1, sizeof(*d));

	mounts_gone(m, cg); /* it was in another namespace */
	if (!d)
		return NULL;
	d->cg = *cg;
	d->ns = ns;
	if (hashmap_put(m->by_cg, &d->cg, d, NULL)) {
		free(d);
		return NULL;
	}
	if (hashmap_put(m->by_ns, &d->ns, d, NULL)) {
		hashmap_remove(m->by_cg, &d->cg);
		free(d);
		return NULL;
	}
	return d;
}

void mounts_look(struct mounts *m, const struct kw_cg *cg, int32_t pid, uint64_t now_ns)
{
	AUTO_FREE char *text = NULL;
	struct mounted *d;
	struct root root;
	char process[16];
	uint64_t ns;

	snprintf(process, sizeof(process), "%d", pid);
	ns = namespace_of(m, process);
	if (!ns || ns == m->host_ns || hashmap_get(m->by_ns, &ns))
		return;
	text = read_mounts(m, process);
	/* A runtime enters the namespace first and changes its root last. */
	if (!text || !find_root(text, &root) || is_host(m, &root))
		return;
	d = add(m, cg, ns);
	if (d)
		take(m, d, text, now_ns);
}

bool mounts_owner(const struct mounts *m, uint32_t dev, struct kw_cg *ret_cg)
{
	const struct mounted *d, *owner = NULL;

	for (size_t i = 0; (d = hashmap_next(m->by_cg, &i, NULL));) {
		if (!has(d, dev))
			continue;
		if (owner)
			return false;
		owner = d;
	}
	if (owner)
		*ret_cg = owner->cg;
	return owner;
}

struct mounts *mounts_new(const char *proc, cgroups_emit_fn emit, void *emit_ctx)
{
	struct mounts *m = calloc(1, sizeof(*m));
	AUTO_FREE char *text = NULL;

	if (!m)
		return NULL;
	snprintf(m->proc, sizeof(m->proc), "%s", proc);
	m->emit = emit;
	m->emit_ctx = emit_ctx;
	m->by_cg = hashmap_new(sizeof(struct kw_cg), CGROUPS_MAX);
	m->by_ns = hashmap_new(sizeof(uint64_t), CGROUPS_MAX);
	if (!m->by_cg || !m->by_ns) {
		mounts_free(m);
		return NULL;
	}
	m->host_ns = namespace_of(m, "1");
	text = read_mounts(m, "1");
	if (!text)
		text = read_mounts(m, "self");
	if (text)
		find_root(text, &m->host);
	return m;
}

void mounts_free(struct mounts *m)
{
	struct mounted *d;

	if (!m)
		return;
	for (size_t i = 0; m->by_cg && (d = hashmap_next(m->by_cg, &i, NULL));)
		free(d);
	hashmap_free(m->by_cg);
	hashmap_free(m->by_ns);
	free(m);
}
