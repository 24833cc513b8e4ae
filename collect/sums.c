/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums that programs keep in kernel maps, one epoch per tick.  A program that read the epoch just before it was raised
 * may still add to an entry of the former one; everything else of the tick happens between flip and drain, and what
 * came later still is taken in the next drain, so nothing is added to an entry that is being deleted.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/timeutil.h"
#include "collect/state.h"

#define BATCH 512
#define KEY_MAX 128
#define VALUE_MAX 128

/* How one map of sums becomes records. */
struct sums {
	enum shared_map map;
	size_t key_size, value_size, epoch_offset;
	size_t max_entries;
	void (*emit)(struct collect *c, const void *key, const void *value, uint64_t now_ns, uint64_t span_ns);
};

/*
 * Rows that say nothing are left out: the timer takes its moment from every container that runs, and every container
 * starts a process now and then.
 */
static bool worth_a_row(uint64_t ns, uint64_t count, uint64_t span_ns)
{
	return ns ? ns * 200 >= span_ns : count >= 10;
}

static void emit_wait(struct collect *c, const void *key, const void *value, uint64_t now_ns, uint64_t span_ns)
{
	const struct kw_wait_key *k = key;
	const struct kw_wait_sum *v = value;
	struct {
		struct kw_event e;
		struct kw_wait p;
	} r = {
		.e = { .kind = KW_KIND_wait, .payload_size = sizeof(r.p), .ts_ns = now_ns, .subject.cg = k->cg },
		.p = { .span_ns = span_ns,
		       .reason = k->reason,
		       .count = v->count,
		       .sum_ns = v->sum_ns,
		       .max_ns = v->max_ns },
	};

	if (k->reason == KW_WAIT_STOLEN && !worth_a_row(v->sum_ns, v->count, span_ns))
		return;
	if (c->cgroups)
		cgroups_ensure(c->cgroups, &k->cg, now_ns);
	collect_make(c, &r.e);
}

static void emit_blame(struct collect *c, const void *key, const void *value, uint64_t now_ns, uint64_t span_ns)
{
	const struct kw_blame_key *k = key;
	const struct kw_blame_sum *v = value;
	struct {
		struct kw_event e;
		struct kw_blame p;
	} r = {
		.e = { .kind = KW_KIND_blame, .payload_size = sizeof(r.p), .ts_ns = now_ns, .subject.cg = k->victim },
		.p = { .span_ns = span_ns, .resource = k->resource, .sink = k->sink, .count = v->count, .ns = v->ns,
		       .object = k->object },
	};

	if (k->sink == KW_SINK_CONTAINER || k->sink == KW_SINK_WRITEBACK) {
		r.e.peer = v->culprit;
		r.e.peer.cg = k->culprit;
		if (k->victim.v2 == k->culprit.v2 && k->victim.v1 == k->culprit.v1)
			r.e.flags |= KW_FLAG_PEER_SELF;
	}
	if (c->cgroups) {
		cgroups_ensure(c->cgroups, &k->victim, now_ns);
		cgroups_ensure(c->cgroups, &r.e.peer.cg, now_ns);
	}
	collect_make(c, &r.e);
}

static void emit_tally(struct collect *c, const void *key, const void *value, uint64_t now_ns, uint64_t span_ns)
{
	const struct kw_tally_key *k = key;
	const struct kw_tally_sum *v = value;
	struct {
		struct kw_event e;
		struct kw_tally p;
	} r = {
		.e = { .kind = KW_KIND_tally, .payload_size = sizeof(r.p), .ts_ns = now_ns, .subject.cg = k->cg },
		.p = { .span_ns = span_ns, .count = v->count, .ns = v->ns, .part_ns = v->part_ns, .max_ns = v->max_ns },
	};

	if (!worth_a_row(v->ns, v->count, span_ns))
		return;
	memcpy(r.p.name, k->name, sizeof(r.p.name));
	if (c->cgroups)
		cgroups_ensure(c->cgroups, &k->cg, now_ns);
	collect_make(c, &r.e);
}

static void emit_held(struct collect *c, const void *key, const void *value, uint64_t now_ns, uint64_t span_ns)
{
	const struct kw_held_key *k = key;
	const struct kw_kind_info *info = kw_kind_by_number(k->kind);
	struct {
		struct kw_event e;
		struct kw_held p;
	} r = {
		.e = { .kind = KW_KIND_held, .payload_size = sizeof(r.p), .ts_ns = now_ns, .subject.cg = k->cg },
		.p = { .span_ns = span_ns, .count = *(const uint64_t *)value },
	};

	snprintf(r.p.what, sizeof(r.p.what), "%s", info ? info->name : "unknown");
	if (c->cgroups)
		cgroups_ensure(c->cgroups, &k->cg, now_ns);
	collect_make(c, &r.e);
}

static void emit_wakeup(struct collect *c, const void *key, const void *value, uint64_t now_ns, uint64_t span_ns)
{
	const struct kw_wakeup_key *k = key;
	const struct kw_wakeup_sum *v = value;
	struct {
		struct kw_event e;
		struct kw_wakeup p;
	} r = {
		.e = { .kind = KW_KIND_wakeup, .payload_size = sizeof(r.p), .ts_ns = now_ns, .subject.cg = k->woken,
		       .peer = v->waker },
		.p = { .span_ns = span_ns, .count = v->count, .sum_ns = v->sum_ns, .max_ns = v->max_ns },
	};

	if (c->cgroups) {
		cgroups_ensure(c->cgroups, &k->woken, now_ns);
		cgroups_ensure(c->cgroups, &k->waker, now_ns);
	}
	collect_make(c, &r.e);
}

static const struct sums kinds[] = {
	{ SHARED_WAIT_SUMS, sizeof(struct kw_wait_key), sizeof(struct kw_wait_sum), offsetof(struct kw_wait_key, epoch),
	  KW_WAIT_SUMS_MAX, emit_wait },
	{ SHARED_BLAME_SUMS, sizeof(struct kw_blame_key), sizeof(struct kw_blame_sum),
	  offsetof(struct kw_blame_key, epoch), KW_BLAME_SUMS_MAX, emit_blame },
	{ SHARED_TALLY_SUMS, sizeof(struct kw_tally_key), sizeof(struct kw_tally_sum),
	  offsetof(struct kw_tally_key, epoch), KW_TALLY_SUMS_MAX, emit_tally },
	{ SHARED_HELD_SUMS, sizeof(struct kw_held_key), sizeof(uint64_t), offsetof(struct kw_held_key, epoch),
	  KW_HELD_SUMS_MAX, emit_held },
	{ SHARED_WAKEUP_SUMS, sizeof(struct kw_wakeup_key), sizeof(struct kw_wakeup_sum),
	  offsetof(struct kw_wakeup_key, epoch), KW_WAKEUP_SUMS_MAX, emit_wakeup },
};

#define FITS(what) \
	_Static_assert(sizeof(struct kw_##what##_key) <= KEY_MAX && sizeof(struct kw_##what##_sum) <= VALUE_MAX, #what)
FITS(wait);
FITS(blame);
FITS(tally);
FITS(wakeup);

void sums_flip(struct collect *c)
{
	objects_set_epoch(c->objects, ++c->epoch);
}

/* Emits the finished entries among count and moves their keys to the front of keys.  Number of those. */
static unsigned int finish(struct collect *c, const struct sums *s, char *keys, const char *values, unsigned int count,
			   uint64_t now_ns, uint64_t span_ns)
{
	unsigned int done = 0;
	uint32_t epoch;

	for (unsigned int i = 0; i < count; i++) {
		memcpy(&epoch, keys + i * s->key_size + s->epoch_offset, sizeof(epoch));
		if (epoch == c->epoch)
			continue;
		s->emit(c, keys + i * s->key_size, values + i * s->value_size, now_ns, span_ns);
		memmove(keys + done++ * s->key_size, keys + i * s->key_size, s->key_size);
	}
	return done;
}

/* Of one batch, and the keys to be deleted, which are as many as a map had entries at the most so far. */
struct sums_space {
	char keys[BATCH * KEY_MAX], values[BATCH * VALUE_MAX];
	char *done;
	size_t done_size;
};

static bool make_room(struct sums_space *space, size_t size)
{
	char *more;

	if (size <= space->done_size)
		return true;
	more = realloc(space->done, size);
	if (!more)
		return false;
	space->done = more;
	space->done_size = size;
	return true;
}

static void drain(struct collect *c, const struct sums *s, uint64_t now_ns, uint64_t span_ns)
{
	int fd = objects_map_fd(c->objects, s->map), r = 0;
	struct sums_space *space = c->sums_space;
	unsigned int done_count = 0;
	uint32_t token = 0;

	for (bool first = true; r == 0; first = false) {
		unsigned int count = BATCH, n;

		r = bpf_map_lookup_batch(fd, first ? NULL : &token, &token, space->keys, space->values, &count, NULL);
		if ((r < 0 && errno != ENOENT) || done_count + count > s->max_entries ||
		    !make_room(space, (done_count + count) * s->key_size))
			break;
		n = finish(c, s, space->keys, space->values, count, now_ns, span_ns);
		if (n)
			memcpy(space->done + done_count * s->key_size, space->keys, n * s->key_size);
		done_count += n;
	}
	/* Deleted afterwards: deleting inside the walk could move the bucket it continues at. */
	if (done_count)
		bpf_map_delete_batch(fd, space->done, &done_count, NULL);
}

void sums_free(struct collect *c)
{
	if (c->sums_space)
		free(c->sums_space->done);
	free(c->sums_space);
	c->sums_space = NULL;
}

void sums_drain(struct collect *c, uint64_t now_ns)
{
	uint64_t span_ns = now_ns - c->last_flip_ns;

	if (!c->sums_space)
		c->sums_space = calloc(1, sizeof(*c->sums_space));
	if (!c->sums_space)
		return; /* all stays in the maps until the next tick */
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		drain(c, &kinds[i], now_ns, span_ns);
	c->last_flip_ns = now_ns;
}
