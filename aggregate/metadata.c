/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "aggregate/facts.h"
#include "aggregate/httpc.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/timeutil.h"

#define WATCHES_MAX 16384 /* containers a lane keeps in mind */
#define ANSWERS_MAX 4096  /* that nobody has taken */
#define LANE_SOURCES_MAX 4
#define REFRESH_GAP_NS (20 * NSEC_PER_MSEC) /* at most 50 refreshes a second */
#define STATE_NS (10 * NSEC_PER_SEC)
#define STACK_SIZE (1 << 20)
#define JSON_DEPTH_MAX 64
#define BACKOFF_MAX_NS (30 * NSEC_PER_SEC)
#define LISTEN_AGAIN_NS (2 * NSEC_PER_SEC)
#define NEWS_MAX 256 /* a second, of one source */

/*
 * Where a container waits until it is asked about; earlier queues go first.  Everything in one queue waits equally long,
 * so that the first is due first.
 */
enum queue {
	Q_NEW, /* it was just made, its runtime told of it, or it ended before it was ever asked about */
	Q_AGAIN, /* nobody knew it: a few more times, ever more slowly */
	Q_AGAIN_LAST = Q_AGAIN + 4,
	Q_ENDED, /* a last look for how it ended, and one more */
	Q_ENDED_LAST,
	Q_FOUND, /* it was there before us */
	Q_KNOWN, /* refreshed now and then */
	QUEUES,
	Q_NONE = QUEUES,
};

static const int64_t delays_ns[QUEUES] = {
	[Q_AGAIN] = 40 * NSEC_PER_MSEC,
	[Q_AGAIN + 1] = 250 * NSEC_PER_MSEC,
	[Q_AGAIN + 2] = NSEC_PER_SEC,
	[Q_AGAIN + 3] = 4 * NSEC_PER_SEC,
	[Q_AGAIN_LAST] = 20 * NSEC_PER_SEC, /* on a slow host a runtime has its state on disk as late as that */
	[Q_ENDED] = 20 * NSEC_PER_MSEC,
	[Q_ENDED_LAST] = 400 * NSEC_PER_MSEC,
	[Q_KNOWN] = 30 * NSEC_PER_SEC,
};

struct slot {
	unsigned int number;
	const char *name;
	const struct metadata_source *source;
	void *state;
	struct kw_source books;
	bool changed;
	int64_t resume_ns, backoff_ns; /* not asked before, after errors */
};

/* A container that one lane is asked about. */
struct watch {
	uint64_t key;
	struct kw_cg cg;
	uint64_t id_hash; /* of the runtime's id; 0: not listed under it */
	uint32_t maker, member;
	char *made_by; /* NULL: not known; set once */
	enum queue queue; /* the last one it was in */
	bool busy, ended, told; /* told: its runtime had news of it while it was asked about */
	bool claimed; /* by a runtime, as its path says */
	bool known;   /* somebody had something to say of it */
	int64_t due_ns;
	uint64_t said[LANE_SOURCES_MAX]; /* hash of the last answer */
	struct watch *next, **prev; /* prev NULL: in no queue */
	char path[];
};

struct watch_list {
	struct watch *first, **last;
};

/* A thread that hears of news from one source. */
struct listener {
	struct metadata *m;
	struct lane *lane;
	struct slot *slot;
	struct httpc_lines *lines;
	pthread_t thread;
	bool running;
	int64_t second_ns; /* when NEWS_MAX began to count */
	unsigned int news;
};

struct lane {
	struct metadata *m;
	unsigned int number;
	struct slot *slots[LANE_SOURCES_MAX];
	size_t slot_count;
	pthread_t thread;
	bool running;
	pthread_cond_t wake;
	struct hashmap *watches; /* key -> struct watch */
	struct hashmap *ids;	 /* hash of the runtime's id -> struct watch */
	struct watch_list queues[QUEUES];
	int64_t refreshed_ns;
};

struct answer {
	struct answer *next;
	size_t size;
	unsigned char record[];
};

struct metadata {
	char root[PATH_MAX];
	const struct config *config;
	pthread_mutex_t lock; /* everything below */
	bool stop;
	struct slot *slots;
	size_t slot_count;
	struct lane *lanes;
	size_t lane_count;
	struct listener *listeners;
	size_t listener_count;
	pthread_cond_t stopped;
	struct answer *answers, **answers_end;
	size_t answer_count;
	int64_t state_ns;
};

#define ORIGIN(number, name, rank, title)
#define SOURCE(number, name, rank, lane, title) extern const struct metadata_source source_##name;
#include "schema/sources.def"
#undef SOURCE

static const struct {
	unsigned int number, lane;
	const char *name;
	const struct metadata_source *source;
} listed[] = {
#define SOURCE(number, name, rank, lane, title) { number, lane, #name, &source_##name },
#include "schema/sources.def"
#undef SOURCE
#undef ORIGIN
};

static int64_t now_ns(void)
{
	return time_boot_ns();
}

/* ---- queues ------------------------------------------------------------------------------------------------------ */

static void enqueue(struct lane *lane, struct watch *w, enum queue queue)
{
	struct watch_list *l = &lane->queues[queue];

	w->queue = queue;
	w->due_ns = now_ns() + delays_ns[queue];
	w->next = NULL;
	w->prev = l->last;
	*l->last = w;
	l->last = &w->next;
}

static void dequeue(struct lane *lane, struct watch *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		lane->queues[w->queue].last = w->prev;
	w->prev = NULL;
}

/* To be asked about at once. */
static void hurry(struct lane *lane, struct watch *w, enum queue queue)
{
	dequeue(lane, w);
	enqueue(lane, w, queue);
	pthread_cond_signal(&lane->wake);
}

/* The next container to ask about; NULL: none before *ret_next_ns. */
static struct watch *take_due(struct lane *lane, int64_t *ret_next_ns)
{
	int64_t now = now_ns();

	*ret_next_ns = INT64_MAX;
	for (unsigned int q = 0; q < QUEUES; q++) {
		struct watch *w = lane->queues[q].first;
		int64_t due_ns;

		if (!w)
			continue;
		due_ns = q == Q_KNOWN ? MAX(w->due_ns, lane->refreshed_ns + REFRESH_GAP_NS) : w->due_ns;
		*ret_next_ns = MIN(*ret_next_ns, due_ns);
		if (due_ns > now)
			continue;
		if (q == Q_KNOWN)
			lane->refreshed_ns = now;
		dequeue(lane, w);
		return w;
	}
	return NULL;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* Takes the lock. */
static void answer(struct metadata *m, struct slot *slot, const struct kw_event *event)
{
	size_t size = sizeof(*event) + event->payload_size;
	struct answer *a = malloc(sizeof(*a) + size);

	pthread_mutex_lock(&m->lock);
	if (!a || m->answer_count >= ANSWERS_MAX) {
		slot->books.dropped++;
		slot->changed = true;
		free(a);
	} else {
		a->next = NULL;
		a->size = size;
		memcpy(a->record, event, size);
		*m->answers_end = a;
		m->answers_end = &a->next;
		m->answer_count++;
	}
	pthread_mutex_unlock(&m->lock);
}

/* Sends what a source found unless it has said just that before. */
static void say(struct metadata *m, struct slot *slot, const struct watch *w, const json_t *found, uint64_t *last)
{
	union record rec = { .event = { .kind = KW_KIND_identity, .subject.cg = w->cg } };
	struct kw_identity *p = (void *)(rec.bytes + sizeof(rec.event));
	size_t len = facts_say(found, p->fields, sizeof(p->fields), &p->cut);
	uint64_t hash = hash_bytes(p->fields, len, 1);

	if (!len || hash == *last)
		return;
	*last = hash;
	p->source = slot->number;
	rec.event.payload_size = (__u16)(offsetof(struct kw_identity, fields) + len + 1);
	rec.event.ts_ns = (__u64)now_ns();
	answer(m, slot, &rec.event);
}

/* ---- asking one container ---------------------------------------------------------------------------------------- */

static void fill_lookup(const struct metadata *m, const struct watch *w, struct lookup *l)
{
	const char *slash = strrchr(w->path, '/');

	*l = (struct lookup){ .root = m->root, .maker = w->maker, .member = w->member,
			      .made_by = w->made_by ? w->made_by : "", .ended = w->ended };
	snprintf(l->path, sizeof(l->path), "%s", w->path);
	path_identify(w->path, &l->what);
	snprintf(l->id, sizeof(l->id), "%s", l->what.id[0] ? l->what.id : slash ? slash + 1 : w->path);
	if (strchr(l->id, '/') || !strcmp(l->id, ".") || !strcmp(l->id, ".."))
		l->id[0] = '\0';
}

/* After errors a source is left alone for a while, longer each time: a socket that never answers is asked seldom. */
static void book(struct metadata *m, struct slot *slot, const struct lookup *l, int r, int64_t began_ns)
{
	int64_t end_ns = now_ns();

	pthread_mutex_lock(&m->lock);
	slot->books.asked++;
	slot->books.answered += r > 0;
	slot->books.malformed += r == -EBADMSG;
	slot->books.failed += r < 0 && r != -EBADMSG;
	slot->books.slowest_ns = MAX(slot->books.slowest_ns, (uint64_t)(end_ns - began_ns));
	if (r < 0)
		snprintf(slot->books.why, sizeof(slot->books.why), "%s", l->why[0] ? l->why : strerror(-r));
	if (r < 0 && r != -EBADMSG) {
		slot->backoff_ns = MIN(MAX(2 * slot->backoff_ns, NSEC_PER_SEC), BACKOFF_MAX_NS);
		slot->resume_ns = end_ns + slot->backoff_ns;
	} else if (r >= 0) {
		slot->backoff_ns = 0;
	}
	slot->changed = true;
	pthread_mutex_unlock(&m->lock);
}

static int ask_slot(struct metadata *m, struct slot *slot, struct lookup *l, json_t *found)
{
	int64_t began_ns = now_ns();
	int r;

	l->state = slot->state;
	l->why[0] = '\0';
	r = slot->source->start && !slot->state ? -ENOMEM : slot->source->look(l, found);
	book(m, slot, l, r, began_ns);
	return r;
}

/* True when one of them knows it. */
static bool ask_all(struct lane *lane, struct watch *w, struct lookup *l)
{
	bool found_any = false;

	l->known = json_object();
	for (size_t i = 0; i < lane->slot_count; i++) {
		struct slot *slot = lane->slots[i];
		json_t *found;

		if (slot->resume_ns > now_ns() || (slot->source->wants && !slot->source->wants(l)))
			continue;
		found = json_object();
		if (ask_slot(lane->m, slot, l, found) > 0) {
			say(lane->m, slot, w, found, &w->said[i]);
			json_object_update(l->known, found);
			found_any = true;
		}
		json_decref(found);
	}
	json_decref(l->known);
	return found_any;
}

static bool lane_wants(const struct lane *lane, const struct lookup *l)
{
	for (size_t i = 0; i < lane->slot_count; i++)
		if (!lane->slots[i]->source->wants || lane->slots[i]->source->wants(l))
			return true;
	return false;
}

/* ---- lanes ------------------------------------------------------------------------------------------------------- */

static void watch_free(struct watch *w)
{
	if (w)
		free(w->made_by);
	free(w);
}

static void forget(struct lane *lane, struct watch *w)
{
	hashmap_remove(lane->watches, &w->key);
	if (w->id_hash && hashmap_get(lane->ids, &w->id_hash) == w)
		hashmap_remove(lane->ids, &w->id_hash);
	watch_free(w);
}

/* Where it waits next, after it was asked about and was found or not. */
static enum queue next_queue(const struct watch *w, bool found)
{
	if (w->ended)
		return w->queue == Q_ENDED_LAST ? Q_NONE : Q_ENDED_LAST;
	if (found)
		return Q_KNOWN;
	if (w->queue < Q_AGAIN_LAST)
		return w->queue + 1;
	if (w->queue == Q_FOUND && w->claimed)
		return Q_AGAIN;
	/* Of what no runtime claims nobody will know later either. */
	return w->claimed || w->known ? Q_KNOWN : Q_NONE;
}

/* Under the lock, after it was asked: when to ask again, if ever. */
static void plan(struct lane *lane, struct watch *w, bool found, bool was_ended)
{
	enum queue next = next_queue(w, found);

	w->busy = false;
	w->known |= found;
	if (w->ended && !was_ended) /* it ended while it was asked about */
		next = Q_ENDED;
	else if (w->told && !w->ended)
		next = Q_NEW;
	w->told = false;
	if (next != Q_NONE)
		enqueue(lane, w, next);
	else if (w->ended)
		forget(lane, w);
}

static void wait_until(struct lane *lane, int64_t at_ns)
{
	struct timespec ts;
	int64_t wait_ns = MIN(MAX(at_ns - now_ns(), NSEC_PER_MSEC), 60 * NSEC_PER_SEC);

	clock_gettime(CLOCK_MONOTONIC, &ts);
	wait_ns += ts.tv_nsec;
	ts.tv_sec += wait_ns / NSEC_PER_SEC;
	ts.tv_nsec = wait_ns % NSEC_PER_SEC;
	pthread_cond_timedwait(&lane->wake, &lane->m->lock, &ts);
}

static void start_sources(struct lane *lane)
{
	for (size_t i = 0; i < lane->slot_count; i++)
		if (lane->slots[i]->source->start) /* NULL when out of memory: its questions fail then */
			lane->slots[i]->state = lane->slots[i]->source->start(lane->m->config, lane->m->root);
}

static void stop_sources(struct lane *lane)
{
	for (size_t i = 0; i < lane->slot_count; i++)
		if (lane->slots[i]->source->stop && lane->slots[i]->state)
			lane->slots[i]->source->stop(lane->slots[i]->state);
}

static void *run_lane(void *arg)
{
	struct lane *lane = arg;
	struct metadata *m = lane->m;
	struct lookup l;

	start_sources(lane);
	pthread_mutex_lock(&m->lock);
	while (!m->stop) {
		int64_t next_ns;
		struct watch *w = take_due(lane, &next_ns);
		bool found, ended;

		if (!w) {
			wait_until(lane, next_ns);
			continue;
		}
		w->busy = true;
		ended = w->ended;
		fill_lookup(m, w, &l); /* others may add to what is known of it meanwhile */
		pthread_mutex_unlock(&m->lock);
		found = ask_all(lane, w, &l);
		pthread_mutex_lock(&m->lock);
		plan(lane, w, found, ended);
	}
	pthread_mutex_unlock(&m->lock);
	stop_sources(lane);
	return NULL;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static uint64_t key_of(const struct kw_cg *cg)
{
	return cg->v1 ? cg->v1 : cg->v2;
}

/* True when something became known that may find it. */
static bool watch_learn(struct watch *w, uint32_t maker, uint32_t member, const char *made_by)
{
	bool news = (maker && !w->maker) || (*made_by && !w->made_by);

	if (!w->maker)
		w->maker = maker;
	if (!w->member)
		w->member = member;
	if (*made_by && !w->made_by)
		w->made_by = strdup(made_by);
	return news;
}

static struct watch *watch_new(const struct kw_cg *cg, const char *path)
{
	size_t len = strlen(path) + 1;
	struct watch *w = calloc(1, sizeof(*w) + len);

	if (!w)
		return NULL;
	w->key = key_of(cg);
	w->cg = *cg;
	memcpy(w->path, path, len);
	return w;
}

static int watch_add(struct lane *lane, struct watch *w)
{
	struct lookup l;
	int r;

	fill_lookup(lane->m, w, &l);
	if (!lane_wants(lane, &l))
		return 0;
	r = hashmap_put(lane->watches, &w->key, w, NULL);
	if (r)
		return r;
	w->claimed = l.what.kind != CONTAINER_CGROUP;
	if (lane->ids && *l.id) {
		w->id_hash = hash_str(l.id, 0);
		if (!hashmap_get(lane->ids, &w->id_hash) && hashmap_put(lane->ids, &w->id_hash, w, NULL))
			w->id_hash = 0;
	}
	enqueue(lane, w, w->maker ? Q_NEW : Q_FOUND);
	pthread_cond_signal(&lane->wake);
	return 1;
}

static void ask_lane(struct lane *lane, const struct kw_cg *cg, const char *path, uint32_t maker, uint32_t member,
		     const char *made_by)
{
	uint64_t key = key_of(cg);
	struct watch *w = hashmap_get(lane->watches, &key);
	int r;

	if (w) {
		/* A scan may have met it before the record of who made it came. */
		if (!watch_learn(w, maker, member, made_by) || w->known)
			return;
		if (w->busy)
			w->told = true;
		else if (!w->ended)
			hurry(lane, w, Q_NEW);
		return;
	}
	w = watch_new(cg, path);
	if (w)
		watch_learn(w, maker, member, made_by);
	r = w ? watch_add(lane, w) : -ENOMEM;
	if (r > 0)
		return;
	watch_free(w);
	if (r < 0) {
		lane->slots[0]->books.dropped++;
		lane->slots[0]->changed = true;
	}
}

void metadata_ask(struct metadata *m, const struct kw_cg *cg, const char *path, uint32_t maker, uint32_t member,
		  const char *made_by)
{
	if (strlen(path) >= sizeof(((struct lookup *)0)->path))
		return;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->lane_count; i++)
		ask_lane(&m->lanes[i], cg, path, maker, member, made_by);
	pthread_mutex_unlock(&m->lock);
}

void metadata_gone(struct metadata *m, const struct kw_cg *cg)
{
	uint64_t key = key_of(cg);

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->lane_count; i++) {
		struct lane *lane = &m->lanes[i];
		struct watch *w = hashmap_get(lane->watches, &key);

		if (!w || w->ended)
			continue;
		w->ended = true;
		if (w->busy)
			continue;
		if (!w->prev) /* nobody ever knew it */
			forget(lane, w);
		else if (w->queue != Q_NEW && w->queue != Q_FOUND)
			hurry(lane, w, Q_ENDED);
		else /* it was never looked at: as soon as may be */
			hurry(lane, w, Q_NEW);
	}
	pthread_mutex_unlock(&m->lock);
}

/* ---- news -------------------------------------------------------------------------------------------------------- */

/* More than NEWS_MAX a second are left out: what they are about is refreshed now and then all the same. */
static bool too_many(struct listener *l)
{
	int64_t now = now_ns();

	if (now - l->second_ns >= NSEC_PER_SEC) {
		l->second_ns = now;
		l->news = 0;
	}
	return ++l->news > NEWS_MAX;
}

void metadata_news(struct listener *l, const char *id)
{
	uint64_t hash = hash_str(id, 0);
	struct watch *w;

	pthread_mutex_lock(&l->m->lock);
	w = hashmap_get(l->lane->ids, &hash);
	if (too_many(l)) {
		l->slot->books.dropped++;
		l->slot->changed = true;
	} else if (w && w->busy) {
		w->told = true;
	} else if (w && !w->ended) {
		hurry(l->lane, w, Q_NEW);
	}
	pthread_mutex_unlock(&l->m->lock);
}

struct httpc_lines *metadata_lines(const struct listener *l)
{
	return l->lines;
}

const char *metadata_root(const struct listener *l)
{
	return l->m->root;
}

static void *run_listener(void *arg)
{
	struct listener *l = arg;
	struct metadata *m = l->m;

	pthread_mutex_lock(&m->lock);
	while (!m->stop) {
		struct timespec until;

		pthread_mutex_unlock(&m->lock);
		l->slot->source->listen(l);
		pthread_mutex_lock(&m->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += LISTEN_AGAIN_NS / NSEC_PER_SEC;
		while (!m->stop && pthread_cond_timedwait(&m->stopped, &m->lock, &until) != ETIMEDOUT)
			;
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- taking ------------------------------------------------------------------------------------------------------ */

static bool next_state(struct metadata *m, union record *ret)
{
	for (size_t i = 0; i < m->slot_count; i++) {
		struct slot *slot = &m->slots[i];

		if (!slot->changed)
			continue;
		slot->changed = false;
		memset(ret, 0, sizeof(*ret));
		ret->event.kind = KW_KIND_source;
		ret->event.payload_size = sizeof(slot->books);
		ret->event.ts_ns = (__u64)now_ns();
		memcpy(ret->bytes + sizeof(ret->event), &slot->books, sizeof(slot->books));
		return true;
	}
	m->state_ns = now_ns();
	return false;
}

bool metadata_next(struct metadata *m, union record *ret_record)
{
	struct answer *a;
	bool found;

	pthread_mutex_lock(&m->lock);
	a = m->answers;
	if (a) {
		m->answers = a->next;
		if (!m->answers)
			m->answers_end = &m->answers;
		m->answer_count--;
	}
	found = a || (now_ns() - m->state_ns >= STATE_NS && next_state(m, ret_record));
	pthread_mutex_unlock(&m->lock);
	if (a)
		memcpy(ret_record->bytes, a->record, a->size);
	free(a);
	return found;
}

static bool is_urgent(const struct lane *lane)
{
	for (unsigned int q = 0; q <= Q_ENDED_LAST; q++)
		if (lane->queues[q].first && lane->queues[q].first->due_ns <= now_ns() + NSEC_PER_MSEC)
			return true;
	return false;
}

bool metadata_busy(struct metadata *m)
{
	bool busy;

	pthread_mutex_lock(&m->lock);
	busy = m->answers != NULL;
	for (size_t i = 0; !busy && i < m->lane_count; i++)
		busy = is_urgent(&m->lanes[i]);
	pthread_mutex_unlock(&m->lock);
	return busy;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static struct lane *lane_of(struct metadata *m, unsigned int number)
{
	for (size_t i = 0; i < m->lane_count; i++)
		if (m->lanes[i].number == number)
			return &m->lanes[i];
	m->lanes[m->lane_count] = (struct lane){ .m = m, .number = number };
	return &m->lanes[m->lane_count++];
}

static int make_lanes(struct metadata *m)
{
	m->slots = calloc(ARRAY_SIZE(listed), sizeof(*m->slots));
	m->lanes = calloc(ARRAY_SIZE(listed), sizeof(*m->lanes));
	if (!m->slots || !m->lanes)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(listed); i++) {
		struct slot *slot;
		struct lane *lane;

		slot = &m->slots[m->slot_count];
		lane = lane_of(m, listed[i].lane);
		if (lane->slot_count == LANE_SOURCES_MAX)
			return -E2BIG;
		m->slot_count++;
		*slot = (struct slot){ .number = listed[i].number, .name = listed[i].name, .source = listed[i].source };
		snprintf(slot->books.name, sizeof(slot->books.name), "%s", slot->name);
		lane->slots[lane->slot_count++] = slot;
	}
	return 0;
}

static void init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t clock;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &clock);
	pthread_condattr_destroy(&clock);
}

static int start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return -r;
}

static bool listens(const struct lane *lane)
{
	for (size_t i = 0; i < lane->slot_count; i++)
		if (lane->slots[i]->source->listen)
			return true;
	return false;
}

static int start_lane(struct lane *lane)
{
	int r;

	lane->watches = hashmap_new(sizeof(uint64_t), WATCHES_MAX);
	if (!lane->watches)
		return -ENOMEM;
	init_cond(&lane->wake);
	if (listens(lane)) {
		lane->ids = hashmap_new(sizeof(uint64_t), WATCHES_MAX);
		if (!lane->ids)
			return -ENOMEM;
	}
	for (unsigned int q = 0; q < QUEUES; q++)
		lane->queues[q].last = &lane->queues[q].first;
	r = start_thread(&lane->thread, run_lane, lane);
	lane->running = !r;
	return r;
}

static int start_listener(struct metadata *m, struct lane *lane, struct slot *slot)
{
	struct listener *l = &m->listeners[m->listener_count++];
	int r;

	*l = (struct listener){ .m = m, .lane = lane, .slot = slot, .lines = httpc_lines_new() };
	r = l->lines ? start_thread(&l->thread, run_listener, l) : -ENOMEM;
	l->running = !r;
	return r;
}

static int start_all(struct metadata *m)
{
	int r = 0;

	m->listeners = calloc(m->slot_count, sizeof(*m->listeners));
	if (!m->listeners)
		return -ENOMEM;
	for (size_t i = 0; !r && i < m->lane_count; i++) {
		struct lane *lane = &m->lanes[i];

		r = start_lane(lane);
		for (size_t k = 0; !r && k < lane->slot_count; k++)
			if (lane->slots[k]->source->listen)
				r = start_listener(m, lane, lane->slots[k]);
	}
	return r;
}

int metadata_new(const struct config *config, const char *root, struct metadata **ret_metadata)
{
	struct metadata *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->config = config;
	snprintf(m->root, sizeof(m->root), "%s", root);
	pthread_mutex_init(&m->lock, NULL);
	init_cond(&m->stopped);
	m->answers_end = &m->answers;
	m->state_ns = now_ns();
	r = httpc_global();
	if (!r)
		r = make_lanes(m);
	if (!r)
		r = start_all(m);
	if (r) {
		metadata_free(m);
		return r;
	}
	*ret_metadata = m;
	return 0;
}

static void lane_free(struct lane *lane)
{
	struct watch *w;

	if (lane->running)
		pthread_join(lane->thread, NULL);
	for (size_t i = 0; lane->watches && (w = hashmap_next(lane->watches, &i, NULL));)
		watch_free(w);
	if (lane->watches)
		pthread_cond_destroy(&lane->wake);
	hashmap_free(lane->watches);
	hashmap_free(lane->ids);
}

static void listener_free(struct listener *l)
{
	if (l->running) {
		httpc_lines_stop(l->lines);
		pthread_join(l->thread, NULL);
	}
	httpc_lines_free(l->lines);
}

void metadata_free(struct metadata *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	m->stop = true;
	for (size_t i = 0; i < m->lane_count; i++)
		if (m->lanes[i].watches)
			pthread_cond_signal(&m->lanes[i].wake);
	pthread_cond_broadcast(&m->stopped);
	pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < m->listener_count; i++)
		listener_free(&m->listeners[i]);
	for (size_t i = 0; i < m->lane_count; i++)
		lane_free(&m->lanes[i]);
	while (m->answers) {
		struct answer *a = m->answers;

		m->answers = a->next;
		free(a);
	}
	pthread_cond_destroy(&m->stopped);
	pthread_mutex_destroy(&m->lock);
	free(m->listeners);
	free(m->slots);
	free(m->lanes);
	free(m);
}

/* ---- for sources ------------------------------------------------------------------------------------------------- */

/* Blocks on nothing but a disk: no device, no pipe. */
static int read_regular(const char *path, char **ret_text, size_t *ret_len)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	AUTO_FREE char *text = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	if (st.st_size > METADATA_FILE_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (len < (size_t)st.st_size && (n = read(fd, text + len, (size_t)st.st_size - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	*ret_len = len;
	*ret_text = TAKE_PTR(text);
	return 0;
}

/* The parser recurses: what is deeper than any runtime writes is not given to it. */
static bool is_deep(const char *text, size_t len)
{
	unsigned int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']') && depth)
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return true;
	}
	return false;
}

int metadata_parse_json(struct lookup *l, const char *what, const char *text, size_t len, json_t **ret_json)
{
	json_error_t error;
	json_t *json;

	if (is_deep(text, len)) {
		snprintf(l->why, sizeof(l->why), "%.80s: nested too deeply", what);
		return -EBADMSG;
	}
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json) {
		snprintf(l->why, sizeof(l->why), "%.80s: %.40s", what, error.text);
		return -EBADMSG;
	}
	*ret_json = json;
	return 0;
}

int metadata_read_json(struct lookup *l, const char *path, json_t **ret_json)
{
	AUTO_FREE char *text = NULL;
	char full[PATH_MAX];
	size_t len = 0;
	int r;

	if ((size_t)snprintf(full, sizeof(full), "%s%s", l->root, path) >= sizeof(full))
		return -ENAMETOOLONG;
	r = read_regular(full, &text, &len);
	if (r == -ENOENT || r == -ENOTDIR || r == -ENAMETOOLONG)
		return -ENOENT;
	if (r) {
		snprintf(l->why, sizeof(l->why), "%.80s: %s", path,
			 r == -ELOOP ? "a symbolic link" : r == -EFBIG ? "too large" : strerror(-r));
		return -EBADMSG;
	}
	return metadata_parse_json(l, path, text, len, ret_json);
}

int metadata_absent(struct lookup *l, const char *whom, int error)
{
	if (error == -ENOENT)
		return 0;
	if (!l->why[0])
		snprintf(l->why, sizeof(l->why), "%.60s: %s", whom, strerror(-error));
	return error == -EPROTO || error == -EFBIG ? -EBADMSG : error;
}

void *metadata_start_http(const struct config *config, const char *root)
{
	(void)config;
	(void)root;
	return httpc_new();
}

void metadata_stop_http(void *state)
{
	httpc_free(state);
}

const char *metadata_text(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text ? text : "";
}

void metadata_set(json_t *found, const char *field, const char *text)
{
	if (text && *text)
		json_object_set_new(found, field, json_string(text));
}
