/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/objects_run.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/timeutil.h"
#include "collect/perfclock.h"
#include "collect/hosttick.h"
#include "schema/kernel_maps.h"

#define HOOKS_MAX 256
#define CHOICES_MAX 6
#define OBJECTS_MAX 32
#define PROBES_MAX OBJECTS_PROBES_MAX
#define LINKS_MAX 48     /* programs of one object */
#define ATTEMPTS_MAX 48  /* loads of one object until its choices are found */
#define BAD_MAPS_MAX 4
#define LOG_TAIL 8192
#define RAISE_SHIFT 2 /* thresholds of a probe over its budget: times four */
#define FEWER_SHIFT 4 /* and its records: a sixteenth of the rate */
#define CLOCK_RATE_MAX 1000
#define SUMS_MIN 4096U
#define SUMS_PER_CPU 1024
#define LOAD_AGAIN_MAX_NS (3 * NSEC_PER_SEC) /* the collector sees nothing meanwhile */

struct hook {
	unsigned int probe; /* index in the list */
	const struct attach_choice *choice[CHOICES_MAX];
	unsigned int count;
	unsigned int current; /* count: none works */
	char why[112];
};

struct link_slot {
	const struct bpf_program *program;
	struct bpf_link *link;
	struct perfclock *clock; /* instead of the link, of a program that perf's clocks run */
	unsigned int owner; /* first probe that lists it */
	bool iterator;
	bool windowed;
	bool briefly;
};

struct object_run {
	const char *name;
	struct bpf_object *object;
	struct link_slot links[LINKS_MAX];
	unsigned int link_count;
	char bad_maps[BAD_MAPS_MAX][32]; /* that this kernel cannot make: left out, with the programs that use them */
	unsigned int bad_map_count;
	int64_t load_ns; /* CPU time that loading it first took, most of it the verifier's */
};

struct objects {
	const struct config *config;
	const struct bpf_object_image *images;
	unsigned int image_count;
	struct probe_run runs[PROBES_MAX];
	unsigned int run_count;
	struct hook hooks[HOOKS_MAX];
	unsigned int hook_count;
	struct object_run list[OBJECTS_MAX];
	unsigned int object_count;
	int maps[SHARED_MAPS];
	struct kw_control control; /* as in its map */
	bool plain; /* this kernel lacks helpers: objects that are there twice are taken in their plain form */
	int stats_fd; /* run-time statistics are on as long as this is open */
	unsigned int cpus;
};

struct attempt {
	char culprit[64]; /* program */
	char bad_map[32];
	char why[112];
};

/* ---- what libbpf says -------------------------------------------------------------------------------------------- */

/* libbpf's print callback has no context of its own; this points to the tail of the load at hand, or is NULL. */
static __thread struct strbuf *libbpf_log;

static int keep_log(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[2048];
	int n;

	if (level != LIBBPF_WARN || !libbpf_log)
		return 0;
	n = vsnprintf(line, sizeof(line), format, args);
	if (n <= 0)
		return n;
	if (libbpf_log->len > LOG_TAIL)
		strbuf_reset(libbpf_log);
	strbuf_add(libbpf_log, line, MIN((size_t)n, sizeof(line) - 1));
	return n;
}

/* Copies the name between the quotes of the last "word 'NAME'" in the log. */
static bool last_named(const char *log, const char *word, char *ret, size_t size)
{
	char pattern[32];
	const char *at = NULL, *end;

	snprintf(pattern, sizeof(pattern), "%s '", word);
	for (const char *p = log; (p = strstr(p, pattern)); p++)
		at = p;
	if (!at)
		return false;
	at += strlen(pattern);
	end = strchr(at, '\'');
	if (!end || end == at || (size_t)(end - at) >= size)
		return false;
	memcpy(ret, at, end - at);
	ret[end - at] = '\0';
	return true;
}

/* The verifier's last word stands in the line before "processed N insns". */
static void verifier_reason(const char *verifier_log, char *ret, size_t size)
{
	const char *end = strstr(verifier_log, "\nprocessed "), *begin;

	if (!end)
		return;
	for (begin = end; begin > verifier_log && begin[-1] != '\n'; begin--)
		;
	snprintf(ret, size, "%.*s", (int)(end - begin), begin);
}

static void explain(const char *log, const char *verifier_log, int error, struct attempt *ret)
{
	char text[160] = "";
	const char *field;

	verifier_reason(verifier_log, text, sizeof(text));
	field = strstr(text, "CO-RE relocation");
	field = field ? strstr(field, "] ") : NULL;
	if (field)
		snprintf(ret->why, sizeof(ret->why), "this kernel lacks %.*s", (int)strcspn(field + 2, "("), field + 2);
	else if (text[0])
		snprintf(ret->why, sizeof(ret->why), "verifier: %.100s", text);
	else if (strstr(log, "failed to find kernel BTF type ID"))
		snprintf(ret->why, sizeof(ret->why), "this kernel has no such tracepoint or function");
	else if (strstr(log, "BTF is required"))
		snprintf(ret->why, sizeof(ret->why), "this kernel has no BTF");
	else if (strstr(log, "relo"))
		snprintf(ret->why, sizeof(ret->why), "this kernel lacks a field it reads");
	else
		snprintf(ret->why, sizeof(ret->why), "%s", strerror(-error));
}

/* ---- shared maps and settings ------------------------------------------------------------------------------------ */

struct map_spec {
	const char *name;
	enum bpf_map_type type;
	unsigned int key_size, value_size, max_entries, flags;
};

/* As in bpf/kwhy.bpf.h; a definition that differs there is refused when the object is opened. */
static const struct map_spec map_specs[SHARED_MAPS] = {
	[SHARED_EVENTS] = { "kw_events", BPF_MAP_TYPE_RINGBUF, 0, 0, 0, 0 },
	[SHARED_BOOKS] = { "kw_books", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct kw_books), 1, 0 },
	[SHARED_CONTROL] = { "kw_control", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct kw_control), 1, 0 },
	[SHARED_WAIT_SUMS] = { "kw_wait_sums", BPF_MAP_TYPE_HASH, sizeof(struct kw_wait_key),
			       sizeof(struct kw_wait_sum), KW_WAIT_SUMS_MAX, BPF_F_NO_PREALLOC },
	[SHARED_BLAME_SUMS] = { "kw_blame_sums", BPF_MAP_TYPE_HASH, sizeof(struct kw_blame_key),
				sizeof(struct kw_blame_sum), KW_BLAME_SUMS_MAX, BPF_F_NO_PREALLOC },
	[SHARED_TALLY_SUMS] = { "kw_tally_sums", BPF_MAP_TYPE_HASH, sizeof(struct kw_tally_key),
				sizeof(struct kw_tally_sum), KW_TALLY_SUMS_MAX, BPF_F_NO_PREALLOC },
	[SHARED_WAKEUP_SUMS] = { "kw_wakeup_sums", BPF_MAP_TYPE_HASH, sizeof(struct kw_wakeup_key),
				 sizeof(struct kw_wakeup_sum), KW_WAKEUP_SUMS_MAX, BPF_F_NO_PREALLOC },
	[SHARED_BUCKETS] = { "kw_buckets", BPF_MAP_TYPE_LRU_HASH, sizeof(struct kw_bucket_key),
			     sizeof(struct kw_bucket), KW_BUCKETS_MAX, 0 },
	[SHARED_HELD_SUMS] = { "kw_held_sums", BPF_MAP_TYPE_HASH, sizeof(struct kw_held_key), sizeof(uint64_t),
			       KW_HELD_SUMS_MAX, BPF_F_NO_PREALLOC },
	[SHARED_OWN_PIDS] = { "kw_own_pids", BPF_MAP_TYPE_HASH, 4, 1, 16, 0 },
};

/*
 * A tick walks all buckets of a map, full or empty, so a map has no more than what so many CPUs can fill in a second:
 * a sum is of something that happened on one of them, and dear enough to be told.
 */
static unsigned int map_entries(const struct map_spec *s, unsigned int cpus)
{
	bool sums = s->type == BPF_MAP_TYPE_HASH && s->max_entries > SUMS_MIN;

	return sums ? MIN(MAX(cpus * SUMS_PER_CPU, SUMS_MIN), s->max_entries) : s->max_entries;
}

/* The kernel takes powers of two of at least a page. */
static unsigned int ring_size(const struct config *config)
{
	int64_t wanted = config_bytes(config, "collect.ring_size");
	unsigned int size = 65536;

	while (size < wanted && size < 1U << 30)
		size *= 2;
	return size;
}

static int make_maps(struct objects *o, struct strbuf *ret_error)
{
	for (unsigned int i = 0; i < SHARED_MAPS; i++) {
		const struct map_spec *s = &map_specs[i];
		LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = o->plain ? s->flags & ~BPF_F_NO_PREALLOC : s->flags);
		unsigned int entries = s->max_entries ? map_entries(s, o->cpus) : ring_size(o->config);

		o->maps[i] = bpf_map_create(s->type, s->name, s->key_size, s->value_size, entries, &opts);
		if (o->maps[i] >= 0)
			continue;
		strbuf_addf(ret_error, "cannot make BPF map %s: %s", s->name, strerror(errno));
		return -errno;
	}
	return 0;
}

/* A map "kw_..." that is not of kwhy.bpf.h belongs to the programs of several objects: the first loaded one made it. */
static int share_between(const struct objects *o, struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		const char *name = bpf_map__name(map);

		for (unsigned int i = 0; !strncmp(name, "kw_", 3) && i < o->object_count; i++) {
			struct bpf_object *other = o->list[i].object;
			struct bpf_map *made = other && other != object ? bpf_object__find_map_by_name(other, name)
									: NULL;

			if (!made || bpf_map__fd(made) < 0)
				continue;
			/* The plain form of what the kernel cannot make: nothing that uses it can be loaded. */
			if (o->plain && bpf_map__type(map) != bpf_map__type(made)) {
				bpf_map__set_autocreate(map, false);
				break;
			}
			if (bpf_map__type(map) != bpf_map__type(made) ||
			    bpf_map__value_size(map) != bpf_map__value_size(made))
				return -EPROTO;
			if (bpf_map__reuse_fd(map, bpf_map__fd(made)) < 0)
				return -errno;
			break;
		}
	}
	return 0;
}

/*
 * Before 6.1 (fba1a1c6c912) a map that is not allocated beforehand takes its memory from the page allocator, which may
 * wake kswapd: from a program under the scheduler's lock that ends in a deadlock.
 */
static void allocate_beforehand(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_HASH)
			bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~BPF_F_NO_PREALLOC);
}

static int share_maps(struct objects *o, struct bpf_object *object)
{
	for (unsigned int i = 0; i < SHARED_MAPS; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_specs[i].name);
		int r;

		if (!map)
			continue;
		if (bpf_map__type(map) != map_specs[i].type || bpf_map__key_size(map) != map_specs[i].key_size ||
		    bpf_map__value_size(map) != map_specs[i].value_size)
			return -EPROTO;
		r = bpf_map__reuse_fd(map, o->maps[i]);
		if (r < 0)
			return r;
	}
	return share_between(o, object);
}

static const struct probe_run *run_of(const struct objects *o, const char *probe)
{
	for (unsigned int i = 0; i < o->run_count; i++)
		if (!strcmp(o->runs[i].probe->name, probe))
			return &o->runs[i];
	return NULL;
}

static bool wanted(const struct objects *o, const char *probe)
{
	const struct probe_run *run = run_of(o, probe);

	return run && run->state != PROBE_OFF && run->level < LEVEL_DETACHED;
}

/* "probe.NAME.threshold" and the like, as far as the probe may use it now. */
static uint64_t threshold(const struct objects *o, const char *probe, const char *what)
{
	const struct probe_run *run = run_of(o, probe);
	char key[64];

	snprintf(key, sizeof(key), "probe.%s.%s", probe, what);
	return (uint64_t)config_ns(o->config, key) << (run && run->level >= LEVEL_RAISED ? RAISE_SHIFT : 0);
}

/* Samples a second of each CPU's clock. */
static unsigned int clock_rate(const struct config *c)
{
	int64_t rate = config_int(c, "probe.profile.rate");

	return MIN(MAX(rate, 1), CLOCK_RATE_MAX);
}

static void fill_settings(const struct objects *o, struct kw_settings *s)
{
	const struct config *c = o->config;
	int64_t maps;

	s->interval_ns = NSEC_PER_SEC / MAX(config_int(c, "collect.rate"), 1);
	s->ring_size = ring_size(c);
	s->runq_threshold_ns = threshold(o, "runq", "threshold");
	s->runq_blame_ns = threshold(o, "runq", "blame");
	s->throttle_threshold_ns = threshold(o, "throttle", "threshold");
	s->offcpu_threshold_ns = threshold(o, "offcpu", "threshold");
	s->offcpu_sleep_threshold_ns = threshold(o, "offcpu", "sleep_threshold");
	s->lock_threshold_ns = threshold(o, "lock", "threshold");
	s->reclaim_threshold_ns = threshold(o, "reclaim", "threshold");
	s->block_threshold_ns = threshold(o, "block", "threshold");
	s->irq_threshold_ns = threshold(o, "irq", "threshold");
	s->nosched_threshold_ns = threshold(o, "nosched", "threshold");
	s->blocked_threshold_ns = threshold(o, "blocked", "threshold");
	s->jiffy_ns = hosttick_jiffy_ns();
	s->tick_ns = hosttick_due_ns();
	s->is_virtual = hosttick_is_virtual();
	s->cpus = o->cpus;
	s->irq_on = wanted(o, "irq");
	s->nosched_on = wanted(o, "nosched");
	s->tickgap_on = wanted(o, "tickgap");
	s->tickgap_threshold_ns = threshold(o, "tickgap", "threshold");
	s->errors_window_ns = config_ns(c, "probe.errors.window");
	s->answer_threshold_ns = threshold(o, "answer", "threshold");
	s->qdelay_threshold_ns = threshold(o, "qdelay", "threshold");
	if (file_read_int(AT_FDCWD, "/proc/sys/vm/max_map_count", &maps) == 0)
		s->max_map_count = maps;
	s->runq_on = wanted(o, "runq");
	s->throttle_on = wanted(o, "throttle");
	s->offcpu_on = wanted(o, "offcpu");
	s->lock_on = wanted(o, "lock");
	s->freeze_on = wanted(o, "freeze");
	s->blocked_on = wanted(o, "blocked");
	s->wakeup_on = wanted(o, "wakeup");
	s->wakeup_threshold_ns = threshold(o, "wakeup", "threshold");
	s->profile_period_ns = NSEC_PER_SEC / clock_rate(c);
}

/* Where kw_settings lies in .rodata, from the object's own BTF; its place depends on what else is constant there. */
static int settings_offset(const struct bpf_object *object)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	const struct btf_type *section;
	const struct btf_var_secinfo *vars;

	if (id < 0)
		return id;
	section = btf__type_by_id(btf, id);
	vars = btf_var_secinfos(section);
	for (unsigned int i = 0; i < btf_vlen(section); i++) {
		const struct btf_type *var = btf__type_by_id(btf, vars[i].type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), "kw_settings"))
			return vars[i].size == sizeof(struct kw_settings) ? (int)vars[i].offset : -EPROTO;
	}
	return -ENOENT;
}

static int set_settings(const struct objects *o, struct bpf_object *object)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(object, ".rodata");
	struct kw_settings settings = { 0 };
	int offset = settings_offset(object);
	AUTO_FREE char *data = NULL;
	const void *initial;
	size_t size;

	if (offset == -ENOENT)
		return 0; /* a program that needs no setting */
	if (offset < 0)
		return offset;
	initial = rodata ? bpf_map__initial_value(rodata, &size) : NULL;
	if (!initial || size < offset + sizeof(settings))
		return -EPROTO;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	memcpy(data, initial, size);
	fill_settings(o, &settings);
	memcpy(data + offset, &settings, sizeof(settings));
	return bpf_map__set_initial_value(rodata, data, size);
}

/* ---- one attempt to load and attach an object -------------------------------------------------------------------- */

/* NULL: none works, or its probe is detached. */
static const char *hook_program(const struct objects *o, const struct hook *h)
{
	if (o->runs[h->probe].level == LEVEL_DETACHED)
		return NULL;
	return h->current < h->count ? h->choice[h->current]->program : NULL;
}

static bool hook_in(const struct objects *o, const struct hook *h, const struct object_run *obj)
{
	return !strcmp(o->runs[h->probe].probe->object, obj->name);
}

static bool is_attached(const struct link_slot *slot)
{
	return slot->link || slot->clock;
}

static void slot_detach(struct link_slot *slot)
{
	bpf_link__destroy(slot->link);
	slot->link = NULL;
	perfclock_free(slot->clock);
	slot->clock = NULL;
}

static void object_close(struct object_run *obj)
{
	for (unsigned int i = 0; i < obj->link_count; i++)
		slot_detach(&obj->links[i]);
	obj->link_count = 0;
	bpf_object__close(obj->object);
	obj->object = NULL;
}

/* Turns on the current choice of every hook.  A program may serve several. */
static int choose_programs(struct objects *o, struct object_run *obj, struct attempt *ret)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, obj->object)
		bpf_program__set_autoload(program, false);
	for (unsigned int i = 0; i < o->hook_count; i++) {
		struct hook *h = &o->hooks[i];
		const struct probe *probe = o->runs[h->probe].probe;
		const char *name = hook_program(o, h);

		if (!name || !hook_in(o, h, obj))
			continue;
		program = bpf_object__find_program_by_name(obj->object, name);
		if (!program || obj->link_count == LINKS_MAX) {
			snprintf(ret->culprit, sizeof(ret->culprit), "%s", name);
			snprintf(ret->why, sizeof(ret->why),
				 o->plain ? "this kernel lacks what object %s needs for it" : "no such program in object %s",
				 obj->name);
			return -ENOENT;
		}
		if (bpf_program__autoload(program))
			continue;
		bpf_program__set_autoload(program, true);
		obj->links[obj->link_count++] = (struct link_slot){
			.program = program,
			.owner = h->probe,
			.iterator = bpf_program__expected_attach_type(program) == BPF_TRACE_ITER,
			.windowed = probe->windowed,
			.briefly = probe->briefly && !strcmp(probe->briefly, name),
		};
	}
	return obj->link_count ? 0 : -ENOENT;
}

static const struct bpf_object_image *image_named(const struct objects *o, const char *name)
{
	for (unsigned int i = 0; i < o->image_count; i++)
		if (!strcmp(o->images[i].name, name))
			return &o->images[i];
	return NULL;
}

/* NULL: the one form is for all kernels. */
static const struct bpf_object_image *plain_image(const struct objects *o, const char *name)
{
	char plain[64];

	snprintf(plain, sizeof(plain), "%.40s.plain", name);
	return image_named(o, plain);
}

static int object_open(struct objects *o, struct object_run *obj, const struct bpf_object_open_opts *opts,
		       struct attempt *ret)
{
	const struct bpf_object_image *image = o->plain ? plain_image(o, obj->name) : NULL;
	int r;

	if (!image)
		image = image_named(o, obj->name);
	if (!image) {
		snprintf(ret->why, sizeof(ret->why), "built without BPF object %s", obj->name);
		return -ENOENT;
	}
	obj->object = bpf_object__open_mem(image->data, image->size, opts);
	if (!obj->object)
		return -errno;
	if (o->plain)
		allocate_beforehand(obj->object);
	r = share_maps(o, obj->object);
	if (r == 0)
		r = set_settings(o, obj->object);
	for (unsigned int i = 0; r == 0 && i < obj->bad_map_count; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj->object, obj->bad_maps[i]);

		r = map ? bpf_map__set_autocreate(map, false) : -ENOENT;
	}
	if (r < 0)
		snprintf(ret->why, sizeof(ret->why), "object %s does not fit this program: %s", obj->name,
			 strerror(-r));
	return r;
}

static int slot_attach(const struct objects *o, struct link_slot *slot)
{
	if (bpf_program__type(slot->program) == BPF_PROG_TYPE_PERF_EVENT)
		return perfclock_attach(slot->program, clock_rate(o->config), &slot->clock);
	slot->link = bpf_program__attach(slot->program);
	return slot->link ? 0 : -errno;
}

static int attach_programs(const struct objects *o, struct object_run *obj, struct attempt *ret)
{
	for (unsigned int i = 0; i < obj->link_count; i++) {
		struct link_slot *slot = &obj->links[i];

		int r = slot_attach(o, slot);

		if (r == 0)
			continue;
		snprintf(ret->culprit, sizeof(ret->culprit), "%s", bpf_program__name(slot->program));
		snprintf(ret->why, sizeof(ret->why), "attach: %s", strerror(-r));
		return r;
	}
	return 0;
}

/* 0, or an error with the program or map to blame in *ret; both empty: the object as a whole. */
static int object_load(struct objects *o, struct object_run *obj, struct attempt *ret)
{
	size_t size = 256 * 1024;
	AUTO_FREE char *verifier_log = calloc(1, size);
	AUTO(strbuf) struct strbuf log = STRBUF_INIT;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = obj->name, .kernel_log_buf = verifier_log,
		    .kernel_log_size = size);
	int64_t began_ns;
	int r;

	*ret = (struct attempt){ 0 };
	if (!verifier_log)
		return -ENOMEM;
	libbpf_log = &log;
	began_ns = time_thread_ns();
	r = object_open(o, obj, &opts, ret);
	if (r == 0)
		r = choose_programs(o, obj, ret);
	if (r == 0) {
		r = bpf_object__load(obj->object);
		if (r < 0) {
			explain(strbuf_str(&log), verifier_log, r, ret);
			if (!last_named(strbuf_str(&log), "prog", ret->culprit, sizeof(ret->culprit)))
				last_named(strbuf_str(&log), "map", ret->bad_map, sizeof(ret->bad_map));
		}
	}
	libbpf_log = NULL;
	if (!obj->load_ns)
		obj->load_ns = time_thread_ns() - began_ns;
	if (r < 0 && !ret->why[0])
		snprintf(ret->why, sizeof(ret->why), "%s", strerror(-r));
	return r;
}

static int object_attempt(struct objects *o, struct object_run *obj, struct attempt *ret)
{
	int r = object_load(o, obj, ret);

	return r < 0 ? r : attach_programs(o, obj, ret);
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

/* The next choice for every hook that stands at program (NULL: at anything).  Number of hooks moved. */
static unsigned int give_up_program(struct objects *o, const struct object_run *obj, const char *program,
				    const char *why)
{
	unsigned int moved = 0;

	for (unsigned int i = 0; i < o->hook_count; i++) {
		struct hook *h = &o->hooks[i];
		const char *name = hook_program(o, h);

		if (!name || !hook_in(o, h, obj) || (program && strcmp(name, program) != 0))
			continue;
		if (!h->why[0])
			snprintf(h->why, sizeof(h->why), "%s", why);
		h->current = program ? h->current + 1 : h->count;
		moved++;
	}
	return moved;
}

static void object_start(struct objects *o, struct object_run *obj)
{
	struct attempt attempt;

	for (unsigned int i = 0; i < ATTEMPTS_MAX; i++) {
		if (object_attempt(o, obj, &attempt) == 0)
			return;
		object_close(obj);
		if (attempt.culprit[0] && give_up_program(o, obj, attempt.culprit, attempt.why))
			continue;
		if (attempt.bad_map[0] && obj->bad_map_count < BAD_MAPS_MAX) {
			memcpy(obj->bad_maps[obj->bad_map_count++], attempt.bad_map, sizeof(attempt.bad_map));
			continue;
		}
		break;
	}
	give_up_program(o, obj, NULL, attempt.why);
}

const char *probe_state_name(uint32_t state)
{
	static const char *const names[] = { "unknown", "attached", "degraded", "off",
					     "failed",  "raised",   "sampled",  "detached" };

	return names[state < ARRAY_SIZE(names) ? state : 0];
}

/* ---- what became of each probe ----------------------------------------------------------------------------------- */

/* Cuts off what does not fit. */
static void append(char *text, size_t size, const char *separator, const char *more)
{
	const char *const parts[] = { text[0] ? separator : "", more };
	size_t len = strlen(text);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t n = MIN(strlen(parts[i]), size - 1 - len);

		memcpy(text + len, parts[i], n);
		len += n;
	}
	text[len] = '\0';
}

static const struct link_slot *find_link(const struct objects *o, const struct hook *h)
{
	const char *name = hook_program(o, h);

	for (unsigned int i = 0; name && i < o->object_count; i++) {
		const struct object_run *obj = &o->list[i];

		for (unsigned int j = 0; hook_in(o, h, obj) && j < obj->link_count; j++)
			if (!strcmp(bpf_program__name(obj->links[j].program), name))
				return &obj->links[j];
	}
	return NULL;
}

/* "tp_btf/sched_switch sched_waking raw_tp/x": the type stands before the first of its kind; "..." when there is no
 * room. */
static void add_attach(struct probe_run *run, const char *section)
{
	const char *slash = strchr(section, '/');
	size_t type = slash ? slash + 1 - section : 0;
	const char *name = section + type, *last = NULL;
	size_t used = strlen(run->attach);

	for (const char *p = run->attach; (p = strchr(p, '/')); p++)
		last = p;
	if (last) {
		const char *begin = last;

		while (begin > run->attach && begin[-1] != ' ')
			begin--;
		if ((size_t)(last + 1 - begin) == type && !strncmp(begin, section, type))
			section = name;
	}
	if (strstr(run->attach, name) || (used >= 4 && !strcmp(run->attach + used - 4, " ...")))
		return;
	append(run->attach, sizeof(run->attach), " ",
	       used + 1 + strlen(section) + 4 < sizeof(run->attach) ? section : "...");
}

static void lose(struct probe_run *run, const struct hook *h, const char *lost)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", h->choice[0]->hook, h->why);
	append(run->why, sizeof(run->why), "; ", text);
	if (lost && !strstr(run->lost, lost))
		append(run->lost, sizeof(run->lost), "; ", lost);
	if (run->state == PROBE_ATTACHED)
		run->state = PROBE_DEGRADED;
}

static void judge_hook(const struct objects *o, const struct hook *h, struct probe_run *run)
{
	const struct link_slot *slot = find_link(o, h);
	const struct attach_choice *first = h->choice[0];

	if (slot && (is_attached(slot) || slot->windowed)) { /* a windowed one was attached when it was loaded */
		add_attach(run, bpf_program__section_name(slot->program));
		if (h->current > 0 && h->choice[h->current]->lost)
			lose(run, h, h->choice[h->current]->lost);
		return;
	}
	if (!first->required && !first->lost)
		return; /* nothing to watch where the kernel has no such thing */
	lose(run, h, first->lost);
	if (first->required)
		run->state = PROBE_FAILED;
}

static void judge_held_back(struct probe_run *run)
{
	static const struct {
		enum probe_run_state state;
		const char *why;
	} levels[] = {
		[LEVEL_WHOLE] = { PROBE_ATTACHED, "" },
		[LEVEL_RAISED] = { PROBE_RAISED, "over its budget: thresholds are four times as high" },
		[LEVEL_SAMPLED] = { PROBE_SAMPLED, "over its budget: a sixteenth of the records a container may have" },
		[LEVEL_DETACHED] = { PROBE_DETACHED, "over its budget: detached" },
	};

	if (!run->level || run->state == PROBE_FAILED)
		return;
	run->state = levels[run->level].state;
	append(run->why, sizeof(run->why), "; ", levels[run->level].why);
}

static void judge_plain(const struct objects *o, struct probe_run *run)
{
	const struct probe *probe = run->probe;

	if (!o->plain || !probe->plain_lost || run->state == PROBE_FAILED || !plain_image(o, probe->object))
		return;
	append(run->why, sizeof(run->why), "; ", "this kernel lacks BPF helpers (6.1)");
	append(run->lost, sizeof(run->lost), "; ", probe->plain_lost);
	if (run->state == PROBE_ATTACHED)
		run->state = PROBE_DEGRADED;
}

static void judge_probes(struct objects *o)
{
	for (unsigned int i = 0; i < o->run_count; i++) {
		struct probe_run *run = &o->runs[i];

		if (run->state == PROBE_OFF)
			continue;
		run->attach[0] = run->why[0] = run->lost[0] = '\0';
		if (run->level == LEVEL_DETACHED) {
			judge_held_back(run);
			continue;
		}
		run->state = PROBE_ATTACHED;
		for (unsigned int j = 0; j < o->hook_count; j++)
			if (o->hooks[j].probe == i)
				judge_hook(o, &o->hooks[j], run);
		/* One of optional hooks only, each of a file system that this host may not have. */
		if (run->state == PROBE_ATTACHED && run->probe->attach && !run->attach[0]) {
			run->state = PROBE_FAILED;
			append(run->why, sizeof(run->why), "; ", "nothing of what it watches is on this host");
		}
		judge_plain(o, run);
		judge_held_back(run);
	}
}

static bool program_needed(const struct objects *o, const struct object_run *obj, const char *name)
{
	for (unsigned int i = 0; i < o->hook_count; i++) {
		const struct hook *h = &o->hooks[i];
		const char *program = hook_program(o, h);

		if (program && hook_in(o, h, obj) && !strcmp(program, name) && o->runs[h->probe].state != PROBE_FAILED)
			return true;
	}
	return false;
}

/* A probe without a hook it requires would only cost: its other programs are detached again. */
static void drop_needless(struct objects *o)
{
	for (unsigned int i = 0; i < o->object_count; i++) {
		struct object_run *obj = &o->list[i];

		for (unsigned int j = 0; j < obj->link_count; j++) {
			if (program_needed(o, obj, bpf_program__name(obj->links[j].program)))
				continue;
			slot_detach(&obj->links[j]);
			obj->links[j].windowed = false;
		}
	}
}

/* ---- set-up ------------------------------------------------------------------------------------------------------ */

bool setting_lists(const char *setting, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = setting; *p; p += strcspn(p, ",")) {
		p += strspn(p, ", ");
		if (!strncmp(p, name, len) && (p[len] == '\0' || p[len] == ',' || p[len] == ' '))
			return true;
	}
	return false;
}

static void add_hooks(struct objects *o, unsigned int probe)
{
	const struct attach_choice *choice = o->runs[probe].probe->attach;

	for (; choice && choice->hook; choice++) {
		struct hook *h = NULL;

		for (unsigned int i = 0; i < o->hook_count && !h; i++)
			if (o->hooks[i].probe == probe && !strcmp(o->hooks[i].choice[0]->hook, choice->hook))
				h = &o->hooks[i];
		if (!h && o->hook_count < HOOKS_MAX) {
			h = &o->hooks[o->hook_count++];
			h->probe = probe;
		}
		if (h && h->count < CHOICES_MAX)
			h->choice[h->count++] = choice;
	}
}

static void add_object(struct objects *o, const struct probe *probe)
{
	if (!probe->object || !probe->attach)
		return;
	for (unsigned int i = 0; i < o->object_count; i++)
		if (!strcmp(o->list[i].name, probe->object))
			return;
	if (o->object_count < OBJECTS_MAX)
		o->list[o->object_count++].name = probe->object;
}

static void add_probes(struct objects *o, const struct probe *const *list)
{
	const char *disabled = config_string(o->config, "collect.disabled");

	for (; *list && o->run_count < PROBES_MAX; list++) {
		struct probe_run *run = &o->runs[o->run_count++];

		run->probe = *list;
		run->state = PROBE_FAILED;
		if (setting_lists(disabled, (*list)->name)) {
			run->state = PROBE_OFF;
			snprintf(run->why, sizeof(run->why), "turned off by collect.disabled");
			continue;
		}
		add_hooks(o, o->run_count - 1);
		add_object(o, *list);
	}
}

int objects_new(const struct config *config, const struct probe *const *list, const struct bpf_object_image *images,
		unsigned int image_count, struct objects **ret_objects, struct strbuf *ret_error)
{
	struct objects *o = calloc(1, sizeof(*o));
	int cpus, r;

	if (!o)
		return -ENOMEM;
	o->config = config;
	o->images = images;
	o->image_count = image_count;
	o->stats_fd = -1;
	for (unsigned int i = 0; i < SHARED_MAPS; i++)
		o->maps[i] = -1;
	libbpf_set_print(keep_log);
	cpus = libbpf_num_possible_cpus();
	o->cpus = cpus > 0 ? cpus : 1;
	o->plain = libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_ktime_get_tai_ns, NULL) == 0;
	r = make_maps(o, ret_error);
	if (r < 0) {
		objects_free(o);
		return r;
	}
	add_probes(o, list);
	*ret_objects = o;
	return 0;
}

void objects_free(struct objects *o)
{
	if (!o)
		return;
	for (unsigned int i = 0; i < o->object_count; i++)
		object_close(&o->list[i]);
	for (unsigned int i = 0; i < SHARED_MAPS; i++)
		if (o->maps[i] >= 0)
			close(o->maps[i]);
	objects_measure_end(o);
	free(o);
}

static void write_control(const struct objects *o)
{
	uint32_t zero = 0;

	bpf_map_update_elem(o->maps[SHARED_CONTROL], &zero, &o->control, BPF_ANY);
}

static void set_off(struct objects *o, bool off)
{
	o->control.off = off;
	write_control(o);
}

unsigned int objects_start(struct objects *o)
{
	set_off(o, false);
	for (unsigned int i = 0; i < o->object_count; i++)
		object_start(o, &o->list[i]);
	judge_probes(o);
	drop_needless(o);
	malloc_trim(0); /* libbpf parses the kernel's whole BTF for each object */
	return objects_attached(o);
}

void objects_stop(struct objects *o)
{
	set_off(o, true);
	objects_measure_end(o);
	for (unsigned int i = 0; i < o->object_count; i++)
		object_close(&o->list[i]);
}

void objects_set_epoch(struct objects *o, uint32_t epoch)
{
	o->control.epoch = epoch;
	write_control(o);
}

unsigned int objects_attached(const struct objects *o)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < o->object_count; i++)
		for (unsigned int j = 0; j < o->list[i].link_count; j++)
			n += is_attached(&o->list[i].links[j]);
	return n;
}

int objects_map_fd(const struct objects *o, enum shared_map map)
{
	return o->maps[map];
}

unsigned int objects_cpus(const struct objects *o)
{
	return o->cpus;
}

int objects_set_own_pid(struct objects *o, pid_t pid)
{
	uint32_t key = pid;
	uint8_t one = 1;

	return bpf_map_update_elem(o->maps[SHARED_OWN_PIDS], &key, &one, BPF_ANY) < 0 ? -errno : 0;
}

const struct probe_run *objects_probe(const struct objects *o, unsigned int i)
{
	return i < o->run_count ? &o->runs[i] : NULL;
}

void objects_probe_cost(const struct objects *o, unsigned int i, uint64_t *ret_run_ns, uint64_t *ret_run_count)
{
	uint64_t ns = 0, count = 0;

	for (unsigned int j = 0; j < o->object_count; j++) {
		for (unsigned int k = 0; k < o->list[j].link_count; k++) {
			const struct link_slot *slot = &o->list[j].links[k];
			struct bpf_prog_info info = { 0 };
			unsigned int len = sizeof(info);

			if (slot->owner != i || (!is_attached(slot) && !slot->windowed) ||
			    bpf_obj_get_info_by_fd(bpf_program__fd(slot->program), &info, &len) < 0)
				continue;
			ns += info.run_time_ns;
			count += info.run_cnt;
		}
	}
	*ret_run_ns = ns;
	*ret_run_count = count;
}

int objects_measure_begin(struct objects *o)
{
	if (o->stats_fd < 0)
		o->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return o->stats_fd < 0 ? -errno : 0;
}

void objects_measure_end(struct objects *o)
{
	if (o->stats_fd >= 0)
		close(o->stats_fd);
	o->stats_fd = -1;
}

/* One that cannot be attached again, though it could be at first, is tried again in the next tick. */
static void slot_window(struct link_slot *slot, bool open)
{
	if (!open) {
		slot_detach(slot);
	} else if (!slot->link) {
		slot->link = bpf_program__attach(slot->program);
	}
}

void objects_window(struct objects *o, bool open)
{
	for (unsigned int i = 0; i < o->object_count; i++) {
		struct object_run *obj = &o->list[i];

		for (unsigned int j = 0; j < obj->link_count; j++)
			if ((obj->links[j].windowed && !obj->links[j].iterator) || (obj->links[j].briefly && !open))
				slot_window(&obj->links[j], open);
	}
}

void objects_follow_cpus(struct objects *o)
{
	for (unsigned int i = 0; i < o->object_count; i++)
		for (unsigned int j = 0; j < o->list[i].link_count; j++)
			if (o->list[i].links[j].clock)
				perfclock_follow(o->list[i].links[j].clock);
}

/* Programs write nothing, or one byte when they have seen enough; a walk over very many objects comes in parts. */
static void run_to_its_end(int fd)
{
	char byte;

	while (read(fd, &byte, sizeof(byte)) < 0 && (errno == EAGAIN || errno == EINTR))
		;
}

unsigned int objects_run_iterators(struct objects *o)
{
	unsigned int ran = 0;

	for (unsigned int i = 0; i < o->object_count; i++) {
		for (unsigned int j = 0; j < o->list[i].link_count; j++) {
			const struct link_slot *slot = &o->list[i].links[j];
			AUTO_CLOSE int fd = -1;

			if (!slot->iterator || !slot->link)
				continue;
			fd = bpf_iter_create(bpf_link__fd(slot->link));
			if (fd < 0)
				continue;
			run_to_its_end(fd);
			ran++;
		}
	}
	return ran;
}

/* ---- holding a probe back ---------------------------------------------------------------------------------------- */

static struct object_run *object_named(struct objects *o, const char *name)
{
	for (unsigned int i = 0; name && i < o->object_count; i++)
		if (!strcmp(o->list[i].name, name))
			return &o->list[i];
	return NULL;
}

bool objects_can_load_again(const struct objects *o, unsigned int i)
{
	const struct probe *probe = o->runs[i].probe;
	const struct object_run *own = object_named((struct objects *)o, probe->object);
	const struct object_run *scanner = object_named((struct objects *)o, probe->scanner);

	return (own ? own->load_ns : 0) + (scanner ? scanner->load_ns : 0) <= LOAD_AGAIN_MAX_NS;
}

bool objects_has_threshold(const struct objects *o, unsigned int i)
{
	char key[64];

	snprintf(key, sizeof(key), "probe.%s.threshold", o->runs[i].probe->name);
	return config_known(key) && objects_can_load_again(o, i);
}

/* The scan goes over all tasks and clears what is known of them; everything else is quiet meanwhile. */
static void forget_waits(struct objects *o)
{
	o->control.forget = 1;
	write_control(o);
	objects_run_iterators(o);
	o->control.forget = 0;
	write_control(o);
}

/* Loaded with the settings of now, not attached.  One without any program left is empty. */
static int object_again(struct objects *o, const struct object_run *old, struct object_run *ret)
{
	struct attempt attempt;
	int r;

	*ret = (struct object_run){ .name = old->name, .bad_map_count = old->bad_map_count, .load_ns = old->load_ns };
	memcpy(ret->bad_maps, old->bad_maps, sizeof(ret->bad_maps));
	r = object_load(o, ret, &attempt);
	if (r < 0)
		object_close(ret);
	return r == -ENOENT && !attempt.culprit[0] ? 0 : r;
}

/* The new one takes the place of the old; no program of kwhy does anything in between. */
static void replace(struct objects *o, struct object_run *obj, struct object_run *fresh)
{
	struct attempt attempt;

	object_close(obj);
	*obj = *fresh;
	if (attach_programs(o, obj, &attempt) < 0) {
		object_close(obj);
		give_up_program(o, obj, NULL, attempt.why);
	}
}

static int load_again(struct objects *o, const struct probe *probe)
{
	struct object_run *own = object_named(o, probe->object), *scanner = object_named(o, probe->scanner);
	struct object_run fresh = { 0 }, fresh_scanner = { 0 };
	int r = own ? object_again(o, own, &fresh) : -ENOENT;

	if (r < 0)
		return r;
	if (scanner) {
		r = object_again(o, scanner, &fresh_scanner);
		if (r < 0) {
			object_close(&fresh);
			return r;
		}
	}
	set_off(o, true);
	replace(o, own, &fresh);
	if (scanner)
		replace(o, scanner, &fresh_scanner);
	forget_waits(o);
	set_off(o, false);
	malloc_trim(0);
	return 0;
}

static void set_fewer(struct objects *o, const struct probe *probe, unsigned int shift)
{
	for (const uint16_t *kind = probe->kinds; kind && *kind; kind++)
		if (*kind < KW_KINDS_MAX)
			o->control.fewer[*kind] = shift;
	write_control(o);
}

/* The rate of records alone is no part of the programs. */
static bool same_code(const struct objects *o, unsigned int i, enum probe_level a, enum probe_level b)
{
	if ((a == LEVEL_DETACHED) != (b == LEVEL_DETACHED))
		return false;
	return (a >= LEVEL_RAISED) == (b >= LEVEL_RAISED) || !objects_has_threshold(o, i);
}

int objects_hold_back(struct objects *o, unsigned int i, enum probe_level level)
{
	struct probe_run *run = &o->runs[i];
	enum probe_level former = run->level;
	int r;

	run->level = level;
	r = same_code(o, i, former, level) ? 0 : load_again(o, run->probe);
	if (r < 0) {
		run->level = former;
		return r;
	}
	set_fewer(o, run->probe, level >= LEVEL_SAMPLED ? FEWER_SHIFT : 0);
	judge_probes(o);
	drop_needless(o);
	return 0;
}
