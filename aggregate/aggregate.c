/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/aggregate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/identity.h"
#include "aggregate/metadata.h"
#include "aggregate/record.h"
#include "aggregate/store.h"
#include "aggregate/thin.h"

#define SWEEP_TICKS 60
#define EARLY_MAX (32 << 20) /* bytes of records before the first tick: a scan of some 30000 directories */
#define WALL_MAX (INT64_C(1) << 62)

struct aggregate {
	struct identity *identity;
	struct store *store;
	struct thin *thin;
	struct metadata *metadata; /* NULL: nobody to ask */
	uint64_t generation;	   /* of the store, as of the last time all containers were marked */
	int64_t loaded_ns;   /* newest row of a former run */
	int64_t offset_ns;   /* wall minus boot clock, of the last tick */
	bool has_offset;
	uint64_t ticks, refused, lost;
	/* Nobody knows the wall-clock time of records before the first tick says it: they wait here. */
	unsigned char *early;
	size_t early_len, early_cap;
};

/* ---- time ------------------------------------------------------------------------------------------------ */

static int wall_of(const struct aggregate *a, uint64_t boot_ns, int64_t *ret_ns)
{
	int64_t ns;

	if (boot_ns > (uint64_t)WALL_MAX || __builtin_add_overflow((int64_t)boot_ns, a->offset_ns, &ns) || ns <= 0 ||
	    ns > WALL_MAX)
		return -EBADMSG;
	*ret_ns = ns;
	return 0;
}

/* ---- containers ------------------------------------------------------------------------------------------ */

/* Writes the containers that changed; all of them into a shard that is new. */
static int write_containers(struct aggregate *a)
{
	struct container *c;

	if (a->generation != store_generation(a->store)) {
		identity_mark_all(a->identity);
		a->generation = store_generation(a->store);
	}
	while ((c = identity_next_dirty(a->identity))) {
		int r = store_container(a->store, c);

		if (r) {
			identity_mark(a->identity, c);
			return r;
		}
		c->generation = a->generation;
	}
	return 0;
}

/* A container that ended long ago may not be in this shard yet. */
static int use(struct aggregate *a, struct container *c)
{
	if (c->generation != store_generation(a->store))
		identity_mark(a->identity, c);
	return identity_overflow(a->identity) ? write_containers(a) : 0;
}

static int resolve(struct aggregate *a, const struct kw_cg *cg, int64_t ts_ns, struct container **ret, bool *ret_inside)
{
	int r = identity_resolve(a->identity, cg, ts_ns, ret, ret_inside);

	return r || !*ret ? r : use(a, *ret);
}

/* ---- one record ------------------------------------------------------------------------------------------ */

static void fill_party(struct store_party *p, const struct kw_party *from, const struct container *c)
{
	*p = (struct store_party){
		.known = c != NULL,
		.cid = c ? c->cid : 0,
		.has_task = from->pid || from->tid || from->start_ns || from->comm[0],
		.start_ns = from->start_ns,
		.pid = from->pid,
		.tid = from->tid,
		.comm = from->comm,
	};
}

static int rewrite_payload(struct aggregate *a, const struct kw_kind_info *info, unsigned char *payload, int64_t ts_ns)
{
	for (const struct kw_field *f = info->fields; f->name; f++) {
		struct container *c;
		struct kw_cg cg;
		int r;

		if (f->type != KW_TYPE_CG)
			continue;
		memcpy(&cg, payload + f->offset, sizeof(cg));
		r = resolve(a, &cg, ts_ns, &c, NULL);
		if (r)
			return r;
		cg = (struct kw_cg){ .v2 = c ? (uint64_t)c->cid : (uint64_t)-1 };
		memcpy(payload + f->offset, &cg, sizeof(cg));
	}
	return 0;
}

/* Sources are asked under the name of one directory of the container, which stays the same. */
static void ask(struct aggregate *a, struct container *c, const struct kw_event *e, const struct kw_cgroup *cgroup)
{
	bool gone = c->last_ns != 0;

	if (!c->cid || c->provisional)
		return;
	if (!c->asked.v2 && !c->asked.v1)
		c->asked = e->subject.cg;
	if (!gone || !c->facts)
		metadata_ask(a->metadata, &c->asked, c->path, e->peer.pid, cgroup->pid, cgroup->maker);
	if (gone)
		metadata_gone(a->metadata, &c->asked);
}

static int take_cgroup(struct aggregate *a, const struct kw_event *e, int64_t ts_ns, struct container **ret)
{
	const struct kw_cgroup *cgroup = record_payload(e);
	int64_t created_ns = 0;
	int r;

	if (cgroup->hierarchy > 255)
		return -EBADMSG;
	if (cgroup->created_ns && wall_of(a, cgroup->created_ns, &created_ns))
		created_ns = 0;
	r = identity_cgroup(a->identity, cgroup, ts_ns, MIN(created_ns, ts_ns), ret);
	if (r || !*ret)
		return r;
	if (a->metadata && cgroup->op != KW_CGROUP_RELEASED)
		ask(a, *ret, e, cgroup);
	return use(a, *ret);
}

/* Of nobody the kernel still knows: nothing to describe. */
static int take_identity(struct aggregate *a, const struct kw_identity *said, struct container *c)
{
	char text[sizeof(said->fields) + 1];

	if (!c)
		return 0;
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(said->fields), said->fields);
	return identity_describe(a->identity, c, said->source, text);
}

static int subject_of(struct aggregate *a, const union record *rec, const struct kw_kind_info *info, int64_t ts_ns,
		      struct container **ret, bool *ret_inside)
{
	int r;

	*ret_inside = false;
	if (info->number == KW_KIND_cgroup)
		return take_cgroup(a, &rec->event, ts_ns, ret);
	r = resolve(a, &rec->event.subject.cg, ts_ns, ret, ret_inside);
	if (!r && info->number == KW_KIND_identity)
		r = take_identity(a, record_payload(&rec->event), *ret);
	/* A sample of no cgroup is one of the host. */
	if (!r && !*ret && info->class == KW_CLASS_SAMPLE) {
		*ret = identity_host(a->identity);
		r = use(a, *ret);
	}
	return r;
}

/* Gives the record its containers.  1: it says nothing new and is not to be stored. */
static int identify(struct aggregate *a, union record *rec, const struct kw_kind_info *info, struct store_row *row)
{
	struct kw_event *e = &rec->event;
	struct container *c;
	bool inside;
	int r = subject_of(a, rec, info, row->ts_ns, &c, &inside);

	if (r)
		return r;
	if (c && idle_skip(&c->idle, info, inside, record_payload(e)))
		return 1;
	fill_party(&row->subject, &e->subject, c);
	r = resolve(a, &e->peer.cg, row->ts_ns, &c, NULL);
	if (r)
		return r;
	fill_party(&row->peer, &e->peer, c);
	return rewrite_payload(a, info, rec->bytes + sizeof(*e), row->ts_ns);
}

/* Zeros behind a text at the end are not worth their place. */
static size_t payload_used(const struct kw_kind_info *info, const unsigned char *payload)
{
	size_t size = info->payload_size, min = kw_payload_min(info);

	while (size > min && !payload[size - 1])
		size--;
	return size;
}

static int store_record(struct aggregate *a, union record *rec, const struct kw_kind_info *info, int64_t ts_ns)
{
	const struct kw_event *e = &rec->event;
	struct store_row row = {
		.ts_ns = ts_ns,
		.kind = e->kind,
		.flags = e->flags,
		.cpu = e->cpu,
		.error = e->error,
		.duration_ns = e->duration_ns & INT64_MAX,
		.stack = e->stack,
		.peer_stack = e->peer_stack,
		.payload = record_payload(e),
		.size = payload_used(info, record_payload(e)),
	};
	int r = store_begin(a->store, ts_ns);

	if (r)
		return r;
	r = identify(a, rec, info, &row);
	if (r > 0)
		return 0;
	if (r < 0) {
		a->lost += r != -EBADMSG;
		return r;
	}
	thin_note(a->thin, info, row.payload, ts_ns);
	return store_event(a->store, &row);
}

static int process(struct aggregate *a, union record *rec, const struct kw_kind_info *info)
{
	int64_t ts_ns;
	int r = wall_of(a, rec->event.ts_ns, &ts_ns);

	if (r)
		return r;
	if (info->number == KW_KIND_stack) {
		const struct kw_stack *stack = record_payload(&rec->event);
		char text[sizeof(stack->text) + 1];

		snprintf(text, sizeof(text), "%.*s", (int)sizeof(stack->text), stack->text);
		return store_stack(a->store, stack->hash, text);
	}
	return store_record(a, rec, info, ts_ns);
}

/* ---- before the first tick ------------------------------------------------------------------------------- */

static int early_add(struct aggregate *a, const struct kw_event *e)
{
	size_t size = (sizeof(*e) + e->payload_size + 7) & ~(size_t)7;

	if (a->early_len + size > EARLY_MAX) {
		a->lost++;
		return -ENOSPC;
	}
	if (a->early_len + size > a->early_cap) {
		size_t cap = MAX(2 * a->early_cap, (size_t)1 << 16);
		unsigned char *p = realloc(a->early, cap);

		if (!p) {
			a->lost++;
			return -ENOMEM;
		}
		a->early = p;
		a->early_cap = cap;
	}
	memcpy(a->early + a->early_len, e, sizeof(*e) + e->payload_size);
	a->early_len += size;
	return 0;
}

/* Every record is checked once more: its time could not be before. */
static void early_process(struct aggregate *a)
{
	union record rec;

	for (size_t at = 0; at < a->early_len;) {
		const struct kw_event *e = (const void *)(a->early + at);
		const struct kw_kind_info *info;

		at += (sizeof(*e) + e->payload_size + 7) & ~(size_t)7;
		if (record_take(e, sizeof(*e) + e->payload_size, &rec, &info) || process(a, &rec, info) == -EBADMSG)
			a->refused++;
	}
	free(a->early);
	a->early = NULL;
	a->early_len = a->early_cap = 0;
}

/* ---- ticks ----------------------------------------------------------------------------------------------- */

static int take_tick(struct aggregate *a, const union record *rec)
{
	const struct kw_tick *tick = record_payload(&rec->event);
	int64_t before = a->offset_ns, ts_ns;

	a->offset_ns = tick->wall_ns;
	if (wall_of(a, rec->event.ts_ns, &ts_ns)) {
		a->offset_ns = before;
		return -EBADMSG;
	}
	if (!a->has_offset) {
		a->has_offset = true;
		early_process(a);
		identity_settle(a->identity, MIN(a->loaded_ns, ts_ns));
	}
	return 0;
}

static int end_tick(struct aggregate *a, int64_t boot_ns)
{
	struct thin_piece piece;
	int64_t now_ns = 0;
	int r;

	wall_of(a, boot_ns, &now_ns);
	if (++a->ticks % SWEEP_TICKS == 0)
		identity_sweep(a->identity, now_ns);
	r = write_containers(a);
	if (!r && thin_next(a->thin, now_ns, &piece))
		r = store_thin(a->store, &piece);
	if (!r)
		r = store_commit(a->store, now_ns);
	if (a->ticks % SWEEP_TICKS == 0)
		store_spare_memory(a->store);
	return r;
}

int aggregate_event(struct aggregate *a, const struct kw_event *event)
{
	const struct kw_kind_info *info;
	union record rec;
	int r = record_take(event, sizeof(*event) + event->payload_size, &rec, &info);

	if (!r && info->number == KW_KIND_tick)
		r = take_tick(a, &rec);
	else if (!r && !a->has_offset)
		return early_add(a, event);
	if (!r)
		r = process(a, &rec, info);
	if (r == -EBADMSG)
		a->refused++;
	else if (info->number == KW_KIND_tick) {
		int committed = end_tick(a, (int64_t)rec.event.ts_ns);

		r = r ? r : committed;
	}
	return r;
}

/* ---- life ------------------------------------------------------------------------------------------------ */

int aggregate_new(const char *state_dir, const struct config *config, const char *boot_id,
		  struct aggregate **ret_aggregate, struct strbuf *ret_error)
{
	struct store_limits limits = {
		.max_size = config_bytes(config, "store.max_size"),
		.max_age_ns = config_ns(config, "store.max_age"),
		.shard_span_ns = config_ns(config, "store.shard_span"),
		.shard_size = config_bytes(config, "store.shard_size"),
	};
	struct aggregate *a = calloc(1, sizeof(*a));
	int r = -ENOMEM;

	if (!a)
		return r;
	a->identity = identity_new(boot_id);
	a->thin = thin_new(config_ns(config, "store.detail"));
	if (a->identity && a->thin)
		r = store_open(state_dir, &limits, boot_id, &a->store, ret_error);
	if (!r)
		r = store_load(a->store, a->identity, &a->loaded_ns);
	if (r) {
		if (!strbuf_str(ret_error)[0])
			strbuf_addf(ret_error, "%s: the store cannot be opened: %s", state_dir, strerror(-r));
		aggregate_free(a);
		return r;
	}
	*ret_aggregate = a;
	return 0;
}

void aggregate_free(struct aggregate *a)
{
	if (!a)
		return;
	if (a->store && a->has_offset)
		write_containers(a);
	store_close(a->store);
	identity_free(a->identity);
	thin_free(a->thin);
	free(a->early);
	free(a);
}

void aggregate_ask(struct aggregate *a, struct metadata *metadata)
{
	a->metadata = metadata;
}

int aggregate_share(struct aggregate *a, unsigned int gid)
{
	return store_share(a->store, gid);
}

void aggregate_origin(struct aggregate *a, const char *node, const char *kernel, const char *arch)
{
	store_origin(a->store, node, kernel, arch);
}

void aggregate_stats(const struct aggregate *a, struct aggregate_stats *ret_stats)
{
	struct store_stats s;

	store_stats(a->store, &s);
	*ret_stats = (struct aggregate_stats){
		.stored = s.stored,
		.refused = a->refused,
		.lost = a->lost + s.lost,
		.containers = identity_count(a->identity),
		.shards = s.shards,
		.bytes = s.bytes,
	};
}
