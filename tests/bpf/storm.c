/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm OBJECT.o: books, memory and attribution while far more happens than anybody can read.  Each storm lasts some
 * seconds; what it reached is printed, as another machine reaches something else.
 */
#include "tests/bpf/loads.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/hashmap.h"
#include "collect/state.h"

#define STORM_NS (2 * NSEC_PER_SEC)
#define ENOUGH 500 /* records, for it to have been a storm */
#define CGROUPS_ENOUGH 2000
#define PEOPLED 4 /* each so many-th of a storm of cgroups has a process */
#define PATIENCE_NS (60 * NSEC_PER_SEC) /* on a machine whose CPUs are away */
#define MEMORY_GROWTH_MAX_KIB 16384
#define PATHS_MAX 65536

struct watch {
	struct balance balance;
	struct kw_tick tick;
	struct kw_probe exit, drop, group;
	uint64_t cgroup[2]; /* of the two processes that storm */
	pid_t pid[2];
	uint64_t records[2], wrong;
	struct hashmap *paths; /* id -> path as announced, of the default hierarchy */
	uint64_t made, nameless, named;
	uint64_t announced; /* cgroups of a storm, when they were made */
	uint16_t port; /* packets to it are of cgroup[0] */
};

/* What a load tells of itself. */
static struct told {
	volatile uint64_t cgroups;
	volatile uint16_t port;
} *told;

static int64_t memory_kib(void)
{
	char text[8192];
	int64_t kib = 0;

	if (file_read(AT_FDCWD, "/proc/self/status", text, sizeof(text)) > 0)
		text_lookup_int(text, "VmRSS", &kib);
	return kib;
}

static void take_cgroup(struct watch *w, const struct kw_cgroup *p)
{
	char *path, *old = NULL;

	if (p->hierarchy || !w->paths || (p->op != 1 && p->op != 2))
		return;
	w->made += p->op == 2;
	w->announced += p->op == 2 && strstr(p->path, "/kwst-c");
	path = strdup(p->path); /* the collector ends it */
	if (!path || hashmap_put(w->paths, &(uint64_t){ p->id }, path, (void **)&old) < 0)
		free(path);
	free(old);
}

/* Processes of a storm die in a cgroup whose name is what they are called. */
static void take_exit(struct watch *w, const struct kw_event *e)
{
	uint64_t id = e->subject.cg.v2;
	const char *path = w->paths ? hashmap_get(w->paths, &id) : NULL;

	for (int i = 0; i < 2; i++) {
		if (w->pid[i] <= 0 || e->subject.pid != (uint32_t)w->pid[i])
			continue;
		w->records[i]++;
		w->wrong += id != w->cgroup[i];
	}
	if (strncmp(e->subject.comm, "kwst-", 5) != 0)
		return;
	if (!path)
		w->nameless++;
	else if (strlen(path) < strlen(e->subject.comm) ||
		 strcmp(path + strlen(path) - strlen(e->subject.comm), e->subject.comm) != 0)
		w->wrong++;
	else
		w->named++;
}

/* Named after whose socket had no room for it, whoever sent it and whatever it interrupted. */
static void take_drop(struct watch *w, const struct kw_event *e, const struct kw_drop *p)
{
	if (!w->port || p->protocol != IPPROTO_UDP || p->dport != w->port)
		return;
	if (e->subject.cg.v2 == w->cgroup[0])
		w->named++;
	else if (e->subject.cg.v2 <= 1)
		w->nameless++;
	else
		w->wrong++;
}

static int on_event(void *ctx, const struct kw_event *e)
{
	struct watch *w = ctx;
	const void *payload = e + 1;
	const struct kw_probe *p = payload;

	switch (e->kind) {
	case KW_KIND_probe:
		balance_take(&w->balance, p);
		if (!strcmp(p->name, "exit"))
			w->exit = *p;
		else if (!strcmp(p->name, "drop"))
			w->drop = *p;
		else if (!strcmp(p->name, "cgroup"))
			w->group = *p;
		break;
	case KW_KIND_tick:
		memcpy(&w->tick, payload, sizeof(w->tick));
		break;
	case KW_KIND_cgroup:
		take_cgroup(w, payload);
		break;
	case KW_KIND_exit:
		take_exit(w, e);
		break;
	case KW_KIND_drop:
		take_drop(w, e, payload);
		break;
	}
	return 0;
}

static void poll_ticks(struct collect *c, const struct watch *w, unsigned int ticks)
{
	uint64_t target = w->tick.seq + ticks;

	for (int64_t end = time_boot_ns() + 60 * NSEC_PER_SEC; w->tick.seq < target && time_boot_ns() < end;)
		collect_poll(c, 20);
}

/* ---- a million records a second -------------------------------------------------------------------------------- */

static void call_kernel(void)
{
	static bool named;

	if (!named)
		prctl(PR_SET_NAME, "kwstorm");
	named = true;
	syscall(SYS_getppid);
}

static void call_seldom(void)
{
	call_kernel();
	usleep(100000);
}

/* Shares the maps and the settings of a collector. */
static struct bpf_object *open_storm(const char *path, const struct collect *c)
{
	static const char *const maps[SHARED_MAPS] = {
		[SHARED_EVENTS] = "kw_events", [SHARED_BOOKS] = "kw_books", [SHARED_CONTROL] = "kw_control",
		[SHARED_BUCKETS] = "kw_buckets", [SHARED_HELD_SUMS] = "kw_held_sums",
	};
	struct {
		struct kw_settings settings;
	} *rodata;
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_map *map;
	size_t size;

	for (unsigned int i = 0; object && i < SHARED_MAPS; i++) {
		map = maps[i] ? bpf_object__find_map_by_name(object, maps[i]) : NULL;
		if (map && bpf_map__reuse_fd(map, objects_map_fd(c->objects, i)) < 0)
			goto fail;
	}
	map = object ? bpf_object__find_map_by_name(object, ".rodata") : NULL;
	rodata = map ? (void *)bpf_map__initial_value(map, &size) : NULL;
	if (!rodata || size < sizeof(*rodata) + sizeof(long)) {
		errno = EPROTO; /* built with other settings than this program */
		goto fail;
	}
	/* As the linker put them: the settings first, the number of the call behind them (checked by what is sent). */
	rodata->settings.interval_ns = NSEC_PER_SEC / (uint64_t)config_int(c->config, "collect.rate");
	rodata->settings.ring_size = (uint64_t)config_bytes(c->config, "collect.ring_size");
	*(long *)(rodata + 1) = SYS_getppid;
	if (bpf_object__load(object) == 0)
		return object;
fail:
	bpf_object__close(object);
	return NULL;
}

struct two_cgroups {
	char path[2][400];
	uint64_t id[2];
};

static bool two_cgroups_make(struct two_cgroups *t)
{
	char mount[256];

	if (!find_v2(mount))
		return false;
	for (int i = 0; i < 2; i++) {
		snprintf(t->path[i], sizeof(t->path[i]), "%s/kwhy-storm-%d-%d", mount, getpid(), i);
		t->id[i] = make_cgroup(t->path[i]);
	}
	return t->id[0] && t->id[1];
}

static void two_cgroups_remove(const struct two_cgroups *t)
{
	for (int i = 0; i < 2; i++)
		if (t->id[i])
			rmdir(t->path[i]);
}

static const char *joined; /* cgroup of the process that load_start() makes next */
static const char *sends_from; /* the one it goes to then */

static void join_then(void (*step)(void))
{
	if (joined)
		join_cgroup(joined);
	joined = NULL;
	step();
}

static void join_and_call(void)
{
	join_then(call_kernel);
}

static void join_and_call_seldom(void)
{
	join_then(call_seldom);
}

/* rate: collect.rate; second: what the second process does. */
static void million(struct checks *k, const char *object_path, const struct two_cgroups *t, const char *rate,
		    void (*second)(void), const char *what)
{
	const char *const settings[] = { "collect.rate", rate, "collect.disabled", all_but("cgroup"),
					 "collect.run_stats", "false", "collect.tick", "200ms", NULL };
	struct load loads[2] = { { 0 } };
	struct bpf_object *object = NULL;
	struct bpf_link *link = NULL;
	static struct watch w;
	struct config *config;
	struct collect *c;
	int64_t begun, memory;
	char name[96];

	memset(&w, 0, sizeof(w));
	c = collector_start(settings, on_event, &w, &config);
	if (c && c->objects)
		object = open_storm(object_path, c);
	if (object)
		link = bpf_program__attach(bpf_object__find_program_by_name(object, "storm_entered"));
	snprintf(name, sizeof(name), "%s: can be made", what);
	check(k, link != NULL, name, "%s", strerror(errno));
	if (!link)
		goto out;
	poll_ticks(c, &w, 2);
	for (int i = 0; i < 2; i++) {
		joined = t->path[i];
		loads[i] = load_start(i ? second : join_and_call);
		w.pid[i] = loads[i].pid;
		w.cgroup[i] = t->id[i];
	}
	joined = NULL;
	poll_for(c, NSEC_PER_SEC / 2);
	/* What was on its way into its cgroup is not yet there. */
	w.wrong = w.records[0] = w.records[1] = 0;
	memory = memory_kib();
	poll_ticks(c, &w, 1);
	begun = time_boot_ns();
	uint64_t emitted = w.exit.emitted, held = w.exit.suppressed;
	poll_for(c, STORM_NS);
	poll_ticks(c, &w, 1);
	printf("# %s: %.2f million records a second, %.2f read, %.2f held back\n", what,
	       (double)(w.exit.emitted - emitted) * 1e3 / (double)(time_boot_ns() - begun),
	       (double)(w.records[0] + w.records[1]) * 1e3 / (double)(time_boot_ns() - begun),
	       (double)(w.exit.suppressed - held) * 1e3 / (double)(time_boot_ns() - begun));
	snprintf(name, sizeof(name), "%s: is one", what);
	check(k, w.exit.emitted - emitted > 100000, name, "%" PRIu64 " records", (uint64_t)w.exit.emitted - emitted);
	load_stop(&loads[0]);
	load_stop(&loads[1]);
	poll_ticks(c, &w, 2);
	balance_check(k, &w.balance, what);
	snprintf(name, sizeof(name), "%s: both containers are heard, and never mixed up", what);
	check(k, w.records[0] && w.records[1] && !w.wrong, name,
	      "%" PRIu64 " and %" PRIu64 " records, %" PRIu64 " wrong", w.records[0], w.records[1], w.wrong);
	snprintf(name, sizeof(name), "%s: memory stays bounded", what);
	check(k, memory_kib() - memory < MEMORY_GROWTH_MAX_KIB, name, "%" PRId64 " KiB more", memory_kib() - memory);
	if (second == join_and_call_seldom) {
		snprintf(name, sizeof(name), "%s: the quiet one loses nothing", what);
		check(k, w.records[1] >= 15, name, "%" PRIu64 " records in 2 s, ten a second", w.records[1]);
	}
out:
	bpf_link__destroy(link);
	bpf_object__close(object);
	collect_free(c);
	config_free(config);
}

/* ---- processes, cgroups, packets ------------------------------------------------------------------------------- */

/* In a cgroup that is called as the processes are. */
static void fork_and_die(void)
{
	static bool there;
	char path[400], name[16];
	pid_t pid;

	if (!there && find_v2(path)) {
		snprintf(name, sizeof(name), "kwst-f%d", getppid());
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", name);
		mkdir(path, 0755);
		join_cgroup(path);
		prctl(PR_SET_NAME, name);
		there = true;
	}
	pid = fork();
	if (!pid) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* To a socket of the first cgroup, which nobody reads, from a process of the second. */
static void send_to_the_deaf(void)
{
	static int fd = -1, deaf = -1;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(to);

	if (fd < 0) {
		if (joined)
			join_cgroup(joined);
		deaf = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &(int){ 1 }, sizeof(int));
		if (bind(deaf, (const struct sockaddr *)&to, sizeof(to)) || getsockname(deaf, (struct sockaddr *)&to, &len))
			_exit(1);
		if (sends_from)
			join_cgroup(sends_from);
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (const struct sockaddr *)&to, sizeof(to)))
			_exit(1);
		told->port = ntohs(to.sin_port);
	}
	send(fd, "", 1, 0);
}

static void die_in_here(const char *path, const char *name)
{
	pid_t pid = fork();

	if (!pid) {
		join_cgroup(path);
		prctl(PR_SET_NAME, name);
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* A cgroup made, in some a process that is named after it and dies in it, the cgroup removed. */
static void brief_cgroup(void)
{
	static unsigned int n;
	static char mount[256];
	char name[16], path[300];

	if (!*mount && !find_v2(mount))
		_exit(0);
	snprintf(name, sizeof(name), "kwst-c%u", n++);
	snprintf(path, sizeof(path), "%s/%s", mount, name);
	if (mkdir(path, 0755))
		return;
	told->cgroups++;
	if (n % PEOPLED == 0)
		die_in_here(path, name);
	rmdir(path);
}

/* What the last one left behind when it was ended in the middle. */
static void remove_brief(void)
{
	char mount[256], path[400];
	const struct dirent *d;
	DIR *dir;

	if (!find_v2(mount))
		return;
	dir = opendir(mount);
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%.100s", mount, d->d_name);
		if (!strncmp(d->d_name, "kwst-", 5))
			rmdir(path);
	}
	if (dir)
		closedir(dir);
}

static bool is_enough(const struct watch *w, void (*step)(void), uint64_t records)
{
	return records > ENOUGH && (step != brief_cgroup || told->cgroups > CGROUPS_ENOUGH) && (!w->port || w->named > ENOUGH);
}

static uint64_t flood_records(const struct watch *w)
{
	return w->exit.emitted + w->drop.emitted;
}

static void flood_judge(struct checks *k, const struct watch *w, void (*step)(void), const char *what)
{
	uint64_t lost;
	char name[96];

	snprintf(name, sizeof(name), "%s: each record is of the cgroup it happened in", what);
	check(k, w->named > 100 && !w->wrong && !w->nameless, name,
	      "%" PRIu64 " right, %" PRIu64 " wrong, %" PRIu64 " without a name", w->named, w->wrong, w->nameless);
	if (step != brief_cgroup)
		return;
	lost = w->group.lost_ring + w->group.suppressed + w->group.lost_other;
	/* It was ended anywhere, also between making one and counting it. */
	snprintf(name, sizeof(name), "%s: each of them is announced or counted as lost", what);
	check(k, w->announced + lost >= told->cgroups && w->announced <= told->cgroups + 1, name,
	      "%" PRIu64 " made, %" PRIu64 " announced, %" PRIu64 " lost", told->cgroups, w->announced, lost);
}

static void flood(struct checks *k, void (*step)(void), const struct two_cgroups *t, const char *what)
{
	const char *const settings[] = { "collect.rate", "1000000", "collect.disabled", all_but("cgroup,exit,drop"),
						"collect.run_stats", "false", "collect.tick", "200ms", NULL };
	static struct watch w;
	struct config *config;
	struct collect *c;
	struct load load;
	int64_t begun, memory;
	uint64_t emitted, made;
	char name[96];

	memset(&w, 0, sizeof(w));
	*told = (struct told){ 0 };
	w.paths = hashmap_new(sizeof(uint64_t), PATHS_MAX);
	w.cgroup[0] = t->id[0];
	c = collector_start(settings, on_event, &w, &config);
	if (!c || !w.paths) {
		check(k, false, what, "collect_new failed");
		return;
	}
	poll_ticks(c, &w, 2);
	emitted = flood_records(&w);
	made = w.made;
	begun = time_boot_ns();
	joined = t->path[0];
	sends_from = t->path[1];
	load = load_start(step);
	poll_for(c, NSEC_PER_SEC / 2);
	w.port = told->port;
	memory = memory_kib();
	poll_for(c, STORM_NS);
	while (!is_enough(&w, step, flood_records(&w) - emitted) && time_boot_ns() - begun < PATIENCE_NS)
		poll_for(c, NSEC_PER_SEC / 2);
	w.port = 0; /* what is on its way to a socket that is closed is nobody's */
	load_stop(&load);
	begun = time_boot_ns() - begun;
	poll_ticks(c, &w, 3);
	emitted = flood_records(&w) - emitted;
	made = w.made - made;
	printf("# %s: %.0f records and %.0f cgroups a second\n", what, (double)emitted * 1e9 / (double)begun,
	       (double)made * 1e9 / (double)begun);
	snprintf(name, sizeof(name), "%s: happened", what);
	check(k, is_enough(&w, step, emitted), name, "%" PRIu64 " records, %" PRIu64 " cgroups", emitted, made);
	balance_check(k, &w.balance, what);
	flood_judge(k, &w, step, what);
	snprintf(name, sizeof(name), "%s: memory stays bounded", what);
	check(k, memory_kib() - memory < MEMORY_GROWTH_MAX_KIB, name, "%" PRId64 " KiB more", memory_kib() - memory);
	collect_free(c);
	config_free(config);
}

int main(int argc, char **argv)
{
	struct checks k = { 0 };
	struct two_cgroups t = { 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: storm OBJECT.o\n");
		return 2;
	}
	if (geteuid() != 0) {
		skip(&k, "storms", "needs root");
		return 0;
	}
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED || !two_cgroups_make(&t)) {
		skip(&k, "storms", "need a v2 hierarchy that they may make cgroups in");
		two_cgroups_remove(&t);
		return 0;
	}
	million(&k, argv[1], &t, "1000000000", join_and_call, "storm of records");
	million(&k, argv[1], &t, "200", join_and_call_seldom, "storm of one container");
	flood(&k, fork_and_die, &t, "storm of processes");
	flood(&k, brief_cgroup, &t, "storm of cgroups");
	remove_brief();
	flood(&k, send_to_the_deaf, &t, "storm of dropped packets");
	two_cgroups_remove(&t);
	return k.failed != 0;
}
