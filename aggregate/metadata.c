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
#define REFRESH_NS (30 * NSEC_PER_SEC)
#define REFRESH_GAP_NS (20 * NSEC_PER_MSEC) /* at most 50 refreshes a second */
#define STATE_NS (10 * NSEC_PER_SEC)
#define STACK_SIZE (1 << 20)
#define JSON_DEPTH_MAX 64
#define BACKOFF_MAX_NS (30 * NSEC_PER_SEC)

/* When to ask again while nobody knows the container: after it was made, and after it ended. */
static const int64_t tries_ns[] = { 0, 40 * NSEC_PER_MSEC, 250 * NSEC_PER_MSEC, NSEC_PER_SEC, 4 * NSEC_PER_SEC };
static const int64_t ends_ns[] = { 20 * NSEC_PER_MSEC, 400 * NSEC_PER_MSEC };

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
	uint32_t maker, member;
	unsigned int tries;
	bool busy, settled, ended;
	int64_t due_ns;
	uint64_t said[LANE_SOURCES_MAX]; /* hash of the last answer */
	struct watch *next;
	char path[];
};

struct watch_list {
	struct watch *first, **last;
};

struct lane {
	struct metadata *m;
	unsigned int number;
	struct slot *slots[LANE_SOURCES_MAX];
	size_t slot_count;
	pthread_t thread;
	bool running;
	pthread_cond_t wake;
	struct hashmap *watches;    /* key -> struct watch */
	struct watch_list soon;	    /* to be asked at their time, few */
	struct watch_list settled;  /* known: refreshed in this order */
	uint64_t dropped;
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
	struct answer *answers, **answers_end;
	size_t answer_count;
	int64_t state_ns;
};

#define ORIGIN(number, name, rank, title)
#define SOURCE(number, name, rank, lane, title) extern const struct metadata_source source_##name;
#include "aggregate/sources.def"
#undef SOURCE

static const struct {
	unsigned int number, lane;
	const char *name;
	const struct metadata_source *source;
} listed[] = {
#define SOURCE(number, name, rank, lane, title) { number, lane, #name, &source_##name },
#include "aggregate/sources.def"
#undef SOURCE
#undef ORIGIN
};

static int64_t now_ns(void)
{
	return time_boot_ns();
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void list_init(struct watch_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_append(struct watch_list *l, struct watch *w)
{
	w->next = NULL;
	*l->last = w;
	l->last = &w->next;
}

/* The first that is due, taken out; *ret_next_ns is lowered to when the next one is. */
static struct watch *list_take_due(struct watch_list *l, int64_t at_ns, int64_t *ret_next_ns)
{
	for (struct watch **at = &l->first; *at; at = &(*at)->next) {
		struct watch *w = *at;

		if (w->due_ns > at_ns) {
			*ret_next_ns = MIN(*ret_next_ns, w->due_ns);
			continue;
		}
		*at = w->next;
		if (l->last == &w->next)
			l->last = at;
		return w;
	}
	return NULL;
}

static void list_remove(struct watch_list *l, const struct watch *w)
{
	for (struct watch **at = &l->first; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			if (l->last == &w->next)
				l->last = at;
			return;
		}
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

	*l = (struct lookup){ .root = m->root, .maker = w->maker, .member = w->member, .ended = w->ended };
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
static bool ask_all(struct lane *lane, struct watch *w)
{
	struct lookup l;
	bool found_any = false;

	fill_lookup(lane->m, w, &l);
	l.known = json_object();
	for (size_t i = 0; i < lane->slot_count; i++) {
		struct slot *slot = lane->slots[i];
		json_t *found;

		if (slot->resume_ns > now_ns() || (slot->source->wants && !slot->source->wants(&l)))
			continue;
		found = json_object();
		if (ask_slot(lane->m, slot, &l, found) > 0) {
			say(lane->m, slot, w, found, &w->said[i]);
			json_object_update(l.known, found);
			found_any = true;
		}
		json_decref(found);
	}
	json_decref(l.known);
	return found_any;
}

static bool lane_wants(const struct lane *lane, const struct watch *w)
{
	struct lookup l;

	fill_lookup(lane->m, w, &l);
	for (size_t i = 0; i < lane->slot_count; i++)
		if (!lane->slots[i]->source->wants || lane->slots[i]->source->wants(&l))
			return true;
	return false;
}

/* ---- lanes ------------------------------------------------------------------------------------------------------- */

static void forget(struct lane *lane, struct watch *w)
{
	hashmap_remove(lane->watches, &w->key);
	free(w);
}

/* Under the lock, after it was asked: when to ask again, if ever. */
static void plan(struct lane *lane, struct watch *w, bool found, bool was_ended)
{
	w->busy = false;
	if (w->ended && !was_ended) { /* it ended while it was asked about */
		w->tries = 0;
		w->due_ns = now_ns() + ends_ns[0];
		list_append(&lane->soon, w);
		return;
	}
	w->tries++;
	if (w->ended) {
		if (w->tries >= ARRAY_SIZE(ends_ns)) {
			forget(lane, w);
			return;
		}
		w->due_ns = now_ns() + ends_ns[w->tries];
	} else if (!found && w->tries < ARRAY_SIZE(tries_ns)) {
		w->due_ns = now_ns() + tries_ns[w->tries];
	} else {
		w->settled = true;
		w->due_ns = now_ns() + REFRESH_NS;
		list_append(&lane->settled, w);
		return;
	}
	list_append(&lane->soon, w);
}

/* The next container to ask about; NULL: none before *ret_next_ns. */
static struct watch *take_due(struct lane *lane, int64_t *refreshed_ns, int64_t *ret_next_ns)
{
	int64_t now = now_ns();
	struct watch *w = list_take_due(&lane->soon, now, ret_next_ns), *first = lane->settled.first;

	if (w || !first)
		return w;
	if (MAX(first->due_ns, *refreshed_ns + REFRESH_GAP_NS) > now) {
		*ret_next_ns = MIN(*ret_next_ns, MAX(first->due_ns, *refreshed_ns + REFRESH_GAP_NS));
		return NULL;
	}
	list_remove(&lane->settled, first);
	first->settled = false;
	*refreshed_ns = now;
	return first;
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
	int64_t refreshed_ns = 0;

	start_sources(lane);
	pthread_mutex_lock(&m->lock);
	while (!m->stop) {
		int64_t next_ns = INT64_MAX;
		struct watch *w = take_due(lane, &refreshed_ns, &next_ns);
		bool found, ended;

		if (!w) {
			wait_until(lane, next_ns);
			continue;
		}
		w->busy = true;
		ended = w->ended;
		pthread_mutex_unlock(&m->lock);
		found = ask_all(lane, w);
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

static struct watch *watch_new(const struct kw_cg *cg, const char *path, uint32_t maker, uint32_t member)
{
	size_t len = strlen(path) + 1;
	struct watch *w = calloc(1, sizeof(*w) + len);

	if (!w)
		return NULL;
	w->key = key_of(cg);
	w->cg = *cg;
	w->maker = maker;
	w->member = member;
	memcpy(w->path, path, len);
	return w;
}

static void ask_lane(struct lane *lane, const struct kw_cg *cg, const char *path, uint32_t maker, uint32_t member)
{
	uint64_t key = key_of(cg);
	struct watch *w = hashmap_get(lane->watches, &key);

	if (w) {
		if (!w->busy && !w->member)
			w->member = member;
		return;
	}
	w = watch_new(cg, path, maker, member);
	if (w && !lane_wants(lane, w)) {
		free(w);
		return;
	}
	if (!w || hashmap_put(lane->watches, &w->key, w, NULL)) {
		free(w);
		lane->slots[0]->books.dropped++;
		lane->slots[0]->changed = true;
		return;
	}
	w->due_ns = now_ns();
	list_append(&lane->soon, w);
	pthread_cond_signal(&lane->wake);
}

void metadata_ask(struct metadata *m, const struct kw_cg *cg, const char *path, uint32_t maker, uint32_t member)
{
	if (strlen(path) >= sizeof(((struct lookup *)0)->path))
		return;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->lane_count; i++)
		ask_lane(&m->lanes[i], cg, path, maker, member);
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
		if (w->settled) {
			list_remove(&lane->settled, w);
			list_append(&lane->soon, w);
			w->settled = false;
		}
		if (w->tries) /* else it was never looked at: as soon as may be */
			w->due_ns = now_ns() + ends_ns[0];
		w->tries = 0;
		pthread_cond_signal(&lane->wake);
	}
	pthread_mutex_unlock(&m->lock);
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

bool metadata_busy(struct metadata *m)
{
	bool busy;

	pthread_mutex_lock(&m->lock);
	busy = m->answers != NULL;
	for (size_t i = 0; !busy && i < m->lane_count; i++)
		busy = m->lanes[i].soon.first && m->lanes[i].soon.first->due_ns <= now_ns() + NSEC_PER_MSEC;
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

static int start_lane(struct lane *lane)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	int r;

	lane->watches = hashmap_new(sizeof(uint64_t), WATCHES_MAX);
	if (!lane->watches)
		return -ENOMEM;
	list_init(&lane->soon);
	list_init(&lane->settled);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&lane->wake, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&lane->thread, &attr, run_lane, lane);
	pthread_attr_destroy(&attr);
	lane->running = !r;
	return -r;
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
	m->answers_end = &m->answers;
	m->state_ns = now_ns();
	r = httpc_global();
	if (!r)
		r = make_lanes(m);
	for (size_t i = 0; !r && i < m->lane_count; i++)
		r = start_lane(&m->lanes[i]);
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
		free(w);
	if (lane->watches)
		pthread_cond_destroy(&lane->wake);
	hashmap_free(lane->watches);
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
	pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < m->lane_count; i++)
		lane_free(&m->lanes[i]);
	while (m->answers) {
		struct answer *a = m->answers;

		m->answers = a->next;
		free(a);
	}
	pthread_mutex_destroy(&m->lock);
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
