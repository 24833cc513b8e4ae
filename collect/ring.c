/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's end of the ring buffer: check, drop our own, announce what the record refers to, complete it, hand it
 * on. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "collect/state.h"

#define WINDOWS_EAGER 3

static bool is_own(const struct collect *c, uint32_t pid)
{
	for (unsigned int i = 0; i < c->own_pid_count; i++)
		if ((uint32_t)c->own_pids[i] == pid)
			return true;
	return false;
}

static const struct probe *probe_of(const struct collect *c, unsigned int kind)
{
	int owner = c->owner[kind];
	const struct source *s = owner >= 0 ? &c->sources[owner] : NULL;

	return s && s->probe >= 0 ? objects_probe(c->objects, s->probe)->probe : NULL;
}

/* Every cgroup that the record names: subject, peer, and payload fields of type CG. */
static void ensure_cgroups(struct collect *c, const struct record *r)
{
	const struct kw_field *f;
	struct kw_cg cg;

	cgroups_ensure(c->cgroups, &r->event.subject.cg, r->event.ts_ns);
	cgroups_ensure(c->cgroups, &r->event.peer.cg, r->event.ts_ns);
	for (f = r->info->fields; f->name; f++) {
		if (f->type != KW_TYPE_CG)
			continue;
		memcpy(&cg, (const char *)r->payload + f->offset, sizeof(cg));
		cgroups_ensure(c->cgroups, &cg, r->event.ts_ns);
	}
}

/* Work of the kernel for a device that only one container has mounted is that container's. */
static void find_owner(const struct collect *c, const struct probe *probe, struct record *r)
{
	uint32_t dev;

	if (!probe || !probe->by_device || !c->cgroups || r->event.subject.pid)
		return;
	memcpy(&dev, r->payload, sizeof(dev));
	cgroups_mount_owner(c->cgroups, dev, &r->event.subject.cg);
}

static void mark_self(struct kw_event *e)
{
	const struct kw_cg *a = &e->subject.cg, *b = &e->peer.cg;

	if ((b->v2 || b->v1) && a->v2 == b->v2 && a->v1 == b->v1)
		e->flags |= KW_FLAG_PEER_SELF;
}

/* Drops the frames of tracing itself; those unused become 0, so a refine that looks for a symbol ends there. */
static unsigned int trim(const struct collect *c, uint64_t frames[KW_STACK_FRAMES_MAX], unsigned int count)
{
	unsigned int skip = stacks_skip(c->kernel, frames, count);

	memmove(frames, frames + skip, (count - skip) * sizeof(*frames));
	memset(frames + count - skip, 0, (KW_STACK_FRAMES_MAX - count + skip) * sizeof(*frames));
	return count - skip;
}

static int complete(struct collect *c, struct record *r)
{
	const struct probe *probe = probe_of(c, r->event.kind);

	find_owner(c, probe, r);
	r->frames = trim(c, r->stack, r->frames);
	if (!probe || !probe->folded)
		r->peer_frames = trim(c, r->peer_stack, r->peer_frames);
	if (probe && probe->refine) {
		int ret;

		r->event.frames = r->frames;
		r->event.peer_frames = r->peer_frames;
		ret = probe->refine(c->kernel, &r->event, r->payload, r->stack, r->peer_stack);
		r->event.frames = 0;
		r->event.peer_frames = 0;
		if (ret < 0)
			return ret;
	}
	r->event.stack = stacks_intern(c->stacks, r->stack, r->frames, r->event.ts_ns);
	/* Of a sample it is the stack in user mode, named with the tick. */
	if (probe && probe->folded)
		stacks_want_user(c->stacks, &r->event.subject, r->peer_stack, r->peer_frames, r->event.ts_ns);
	else
		r->event.peer_stack = stacks_intern(c->stacks, r->peer_stack, r->peer_frames, r->event.ts_ns);
	mark_self(&r->event);
	return 0;
}

/* Not sent on by itself: the row it is in stands in the books once it is made. */
static void fold(struct collect *c, const struct record *r)
{
	unsigned int kind = r->event.kind;

	if (fold_add(c->fold, &r->event, r->payload, r->peer_stack, r->peer_frames) < 0)
		c->books.lost[kind]++;
	else
		c->books.own[kind]++;
}

void ring_record(struct collect *c, const void *data, size_t size)
{
	struct record *r = &c->record;
	struct kw_event *e = &r->event;
	const struct probe *probe;

	if (record_decode(data, size, r) < 0) {
		c->books.lost[r->info ? r->info->number : 0]++;
		return;
	}
	if (e->kind == KW_KIND_cgroup && c->cgroups) {
		cgroups_on_record(c->cgroups, e, r->payload);
	} else if (e->kind != KW_KIND_cgroup) {
		if (e->subject.pid && is_own(c, e->subject.pid)) {
			c->books.own[e->kind]++;
			return;
		}
		if (c->cgroups)
			ensure_cgroups(c, r);
	}
	if (complete(c, r) < 0) {
		c->books.lost[e->kind]++;
		return;
	}
	probe = probe_of(c, e->kind);
	if (probe && probe->look_again && probe->look_again(e, r->payload))
		c->eager_windows = WINDOWS_EAGER;
	if (probe && probe->folded)
		fold(c, r);
	else
		collect_hand_on(c, e);
}

/* libbpf stops after a record whose callback failed, with that record taken: this bounds one turn. */
static int on_sample(void *ctx, void *data, size_t size)
{
	struct collect *c = ctx;

	ring_record(c, data, size);
	return --c->turn_left ? 0 : -ECANCELED;
}

int ring_open(struct collect *c)
{
	c->ring = ring_buffer__new(objects_map_fd(c->objects, SHARED_EVENTS), on_sample, c, NULL);
	return c->ring ? 0 : -errno;
}

void ring_close(struct collect *c)
{
	ring_buffer__free(c->ring);
	c->ring = NULL;
}

unsigned int ring_take(struct collect *c, unsigned int max)
{
	if (!c->ring || !max)
		return 0;
	c->turn_left = max;
	ring_buffer__consume(c->ring);
	return max - c->turn_left;
}
