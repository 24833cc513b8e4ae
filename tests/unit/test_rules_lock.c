/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about locks, other ends of pipes, ends of processes and limits, each with the fault, a look-alike, and a probe
 * missing.
 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "aggregate/aggregate.h" /* what the made-up host writes through */
#include "analyze/analyzer.h"
#include "tests/synth/story.h"
#include "tests/synth/synth.c" /* NOLINT(bugprone-suspicious-include): unit tests have no library of their own */

/* ---- kernel locks ------------------------------------------------------------------------------------------------ */

static void lock_record(struct synth *s, int holder, const char *name, uint32_t type, uint64_t at_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_lock, VICTIM, holder, at_ns, 200 * MS);
	struct kw_lock *l = synth_payload(e);

	*l = (struct kw_lock){ .address = 0xffff8881, .type = type, .place = "somewhere" };
	snprintf(l->name, sizeof(l->name), "%s", name);
	synth_send(s, e);
}

static void kernel_lock(struct synth *s, int holder, const char *name, uint32_t type)
{
	synth_wait(s, VICTIM, KW_WAIT_LOCK, 600 * MS, 200 * MS, 4);
	synth_blame(s, KW_RES_LOCK, VICTIM, holder, holder == SYNTH_NOBODY ? KW_SINK_UNKNOWN : KW_SINK_CONTAINER,
		    600 * MS, 0xffff8881);
	lock_record(s, holder, name, type, 700 * MS);
}

static void lock_of(struct synth *s, enum variant v, const char *name)
{
	if (v == MISSING)
		synth_wait(s, VICTIM, KW_WAIT_LOCK, 600 * MS, 200 * MS, 4);
	else
		kernel_lock(s, CULPRIT, v == ALIKE ? "rtnl_mutex" : name, v == ALIKE ? 1 : 3);
}

static void lock_inode(struct synth *s, enum variant v, int second)
{
	(void)second;
	lock_of(s, v, "inode:1234@loop0");
}

static void lock_mmap(struct synth *s, enum variant v, int second)
{
	(void)second;
	lock_of(s, v, "mmap:web");
}

static void lock_spin(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_host(s)->steal_ns = 0;
	if (v == MISSING)
		synth_wait(s, VICTIM, KW_WAIT_LOCK, 600 * MS, 200 * MS, 4);
	else
		kernel_lock(s, v == ALIKE ? CULPRIT : SYNTH_NOBODY, v == ALIKE ? "cgroup_mutex" : "tasklist_lock",
			    v == ALIKE ? 1 : 5);
	for (int i = 0; v != MISSING && v != ALIKE && i < 4; i++)
		lock_record(s, SYNTH_NOBODY, "tasklist_lock", 5, (250 + 100 * i) * MS);
}

/* ---- waits for another task -------------------------------------------------------------------------------------- */

static void blocked(struct synth *s, int peer, uint32_t what, enum kw_wait_reason reason, enum kw_resource resource)
{
	struct kw_event *e = synth_event(s, KW_KIND_blocked, VICTIM, peer, 700 * MS, 300 * MS);

	*(struct kw_blocked *)synth_payload(e) = (struct kw_blocked){ .object = 0x7f0000001000, .what = what,
								      .peer_from = 1, .name = "state.db" };
	synth_send(s, e);
	synth_wait(s, VICTIM, reason, 600 * MS, 300 * MS, 2);
	if (resource)
		synth_blame(s, resource, VICTIM, peer, KW_SINK_CONTAINER, 600 * MS, 0x7f0000001000);
}

static void lock_futex(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == FAULT)
		blocked(s, CULPRIT, KW_BLOCKED_FUTEX, KW_WAIT_FUTEX, KW_RES_FUTEX);
	else if (v == ALIKE)
		blocked(s, CULPRIT, KW_BLOCKED_FLOCK, KW_WAIT_FILELOCK, KW_RES_FILELOCK);
}

static void lock_file(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == FAULT)
		blocked(s, CULPRIT, KW_BLOCKED_POSIX, KW_WAIT_FILELOCK, KW_RES_FILELOCK);
	else if (v == ALIKE)
		kernel_lock(s, CULPRIT, "inode:77@sda1", 3);
}

static void peer_slow(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == FAULT)
		blocked(s, CULPRIT, KW_BLOCKED_PIPE, KW_WAIT_PEER, KW_RES_PEER);
	else if (v == ALIKE)
		blocked(s, CULPRIT, KW_BLOCKED_FUTEX, KW_WAIT_FUTEX, KW_RES_FUTEX);
}

static void traced(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == FAULT)
		blocked(s, CULPRIT, KW_BLOCKED_TRACED, KW_WAIT_TRACED, KW_RES_TRACE);
	else if (v == ALIKE) /* two tools in a pipe, one slower than the other */
		blocked(s, VICTIM, KW_BLOCKED_SOCKET, KW_WAIT_PEER, KW_RES_PEER);
}

static void fault_handler(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == FAULT)
		blocked(s, CULPRIT, KW_BLOCKED_FAULT, KW_WAIT_FAULT, KW_RES_FAULT);
	else if (v == ALIKE)
		blocked(s, CULPRIT, KW_BLOCKED_FUTEX, KW_WAIT_FUTEX, KW_RES_FUTEX);
}

static void signal_to(struct synth *s, int sender, uint32_t number, int code, int64_t at_ns)
{
	struct kw_event *e = synth_event(s, KW_KIND_signal, VICTIM, sender, at_ns, 0);

	*(struct kw_signal *)synth_payload(e) = (struct kw_signal){ .signal = number, .code = code, .group = 1,
								    .by_kernel = sender == SYNTH_NOBODY };
	synth_send(s, e);
}

static void stopped(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (second == 0 && v == FAULT)
		signal_to(s, CULPRIT, 19, 0, 100 * MS);
	if (v == ALIKE) {
		blocked(s, CULPRIT, KW_BLOCKED_TRACED, KW_WAIT_TRACED, KW_RES_TRACE);
		return;
	}
	synth_wait(s, VICTIM, KW_WAIT_STOPPED, 900 * MS, 900 * MS + second * SEC, 1);
	e = synth_event(s, KW_KIND_blocked, VICTIM, SYNTH_NOBODY, 990 * MS, 890 * MS + second * SEC);
	e->flags = KW_FLAG_PENDING;
	*(struct kw_blocked *)synth_payload(e) = (struct kw_blocked){ .what = KW_BLOCKED_STOPPED };
	synth_send(s, e);
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void died(struct synth *s, uint32_t number)
{
	struct kw_event *e = synth_event(s, KW_KIND_exit, VICTIM, SYNTH_NOBODY, 501 * MS, 0);

	*(struct kw_exit *)synth_payload(e) = (struct kw_exit){ .signal = number, .lifetime_ns = 5 * SEC };
	synth_send(s, e);
}

static void crash(struct synth *s, enum variant v, int second)
{
	if (second != 1)
		return;
	if (v != MISSING)
		signal_to(s, v == ALIKE ? CULPRIT : SYNTH_NOBODY, 11, v == ALIKE ? 0 : 1, 500 * MS);
	died(s, 11);
}

static void denied(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (second != 1)
		return;
	if (v == ALIKE) {
		signal_to(s, SYNTH_NOBODY, 11, 1, 500 * MS);
		died(s, 11);
		return;
	}
	if (v == FAULT) {
		signal_to(s, SYNTH_NOBODY, 31, 1, 500 * MS);
		e = synth_event(s, KW_KIND_denied, VICTIM, SYNTH_NOBODY, 500 * MS, 0);
		*(struct kw_denied *)synth_payload(e) = (struct kw_denied){ .syscall = 165 };
		synth_send(s, e);
	}
	died(s, 31);
}

static void zombies(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (v != FAULT)
		return;
	e = synth_event(s, KW_KIND_zombies, VICTIM, SYNTH_NOBODY, 900 * MS, 0);
	*(struct kw_zombies *)synth_payload(e) = (struct kw_zombies){ .count = 40, .ticks = 3 + (uint64_t)second };
	synth_send(s, e);
}

static void hung(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	if (v == ALIKE) {
		kernel_lock(s, CULPRIT, "some_mutex", 1);
		return;
	}
	synth_wait(s, VICTIM, KW_WAIT_OTHER, 990 * MS, 990 * MS + second * SEC, 1);
	if (v == MISSING)
		return;
	e = synth_event(s, KW_KIND_offcpu, VICTIM, SYNTH_NOBODY, 990 * MS, 980 * MS + second * SEC);
	e->flags = KW_FLAG_PENDING;
	*(struct kw_offcpu *)synth_payload(e) = (struct kw_offcpu){
		.state = 2, .reason = KW_WAIT_OTHER, .wait_class = "other", .wait_place = "driver_wait_reset"
	};
	synth_send(s, e);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void limit(struct synth *s, int of, uint32_t what, uint64_t used, uint64_t allowed)
{
	struct kw_event *e = synth_event(s, KW_KIND_limit, VICTIM, of, 900 * MS, 0);

	if (of == VICTIM)
		e->flags |= KW_FLAG_PEER_SELF;
	*(struct kw_limit *)synth_payload(e) = (struct kw_limit){ .used = used, .limit = allowed, .what = what,
								  .failures = what == KW_LIMIT_PIDS ? 7 : 0 };
	synth_send(s, e);
}

static void limit_pids(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_usage(s, VICTIM)->pids = 50;
	if (v != MISSING)
		limit(s, v == ALIKE ? OTHER : VICTIM, KW_LIMIT_PIDS, 50, 50);
}

static void limit_fds(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v != MISSING)
		limit(s, SYNTH_NOBODY, v == ALIKE ? KW_LIMIT_NPROC : KW_LIMIT_FDS, 1024, 1024);
}

static void limit_maps(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v != MISSING)
		limit(s, SYNTH_NOBODY, v == ALIKE ? KW_LIMIT_FDS : KW_LIMIT_MAPS, 65531, 65530);
}

/* Forks refused to a user; or the end of a process for the file it wrote. */
static void limit_rlimit(struct synth *s, enum variant v, int second)
{
	if (v == ALIKE)
		limit(s, SYNTH_NOBODY, KW_LIMIT_MAPS, 65531, 65530);
	else if (v == FAULT && second == 1) {
		signal_to(s, SYNTH_NOBODY, 25, 0x80, 500 * MS);
		died(s, 25);
	}
}

static void inotify(struct synth *s, int container, uint64_t own)
{
	struct kw_event *e = synth_event(s, KW_KIND_limit, container, SYNTH_NOBODY, 900 * MS, 0);

	*(struct kw_limit *)synth_payload(e) = (struct kw_limit){ .used = 8192, .limit = 8192, .what = KW_LIMIT_WATCHES,
								  .own = own };
	synth_send(s, e);
}

static void limit_inotify(struct synth *s, enum variant v, int second)
{
	(void)second;
	if (v == ALIKE)
		limit(s, SYNTH_NOBODY, KW_LIMIT_FDS, 1024, 1024);
	if (v != FAULT)
		return;
	inotify(s, VICTIM, 12);
	inotify(s, CULPRIT, 8180);
}

static void limit_cgroups(struct synth *s, enum variant v, int second)
{
	(void)second;
	synth_usage(s, VICTIM)->pids = 50;
	if (v != MISSING)
		limit(s, VICTIM, v == ALIKE ? KW_LIMIT_PIDS : KW_LIMIT_CGROUPS, 50, 50);
}

/* A loop over a closed descriptor; or a compiler that looks for headers in all places. */
static void errors(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	(void)second;
	if (v == MISSING)
		return;
	e = synth_event(s, KW_KIND_errors, VICTIM, SYNTH_NOBODY, 900 * MS, 0);
	e->error = v == ALIKE ? ENOENT : EBADF;
	*(struct kw_errors *)synth_payload(e) = (struct kw_errors){
		.count = 125, .calls = v == ALIKE ? 250 : 130, .window_ns = 25 * MS, .rate = 5000, .syscall = 0, .call = "read"
	};
	snprintf(((struct kw_errors *)synth_payload(e))->errno_name, 24, "%s", v == ALIKE ? "ENOENT" : "EBADF");
	synth_send(s, e);
}

static void pod(struct synth *s)
{
	synth_container(s, "pod");
	synth_container(s, "pod/web");
	synth_container(s, "pod/batch");
}

static const struct stage pod_stage = { .setup = pod, .victim = "/test/pod/web", .seconds = 5 };

enum { POD = 1, WEB, BATCH };

static void limit_pids_above(struct synth *s, enum variant v, int second)
{
	struct kw_event *e;

	(void)second;
	synth_usage(s, POD)->pids = 100;
	synth_usage(s, WEB)->pids = 10;
	synth_usage(s, BATCH)->pids = 90;
	if (v == MISSING)
		return;
	e = synth_event(s, KW_KIND_limit, WEB, v == ALIKE ? WEB : POD, 900 * MS, 0);
	e->flags |= v == ALIKE ? KW_FLAG_PEER_SELF : 0;
	*(struct kw_limit *)synth_payload(e) = (struct kw_limit){ .used = 100, .limit = 100, .what = KW_LIMIT_PIDS,
								  .failures = 3 };
	synth_send(s, e);
}

static const struct story stories[] = {
	{ "lock.inode", lock_inode, "lock", "/test/batch", NULL, "warning", "confirmed", "lock.kernel", NULL },
	{ "lock.mmap", lock_mmap, "lock", "/test/batch", NULL, "warning", "confirmed", "lock.kernel", NULL },
	{ "lock.spin", lock_spin, "lock", NULL, NULL, "warning", "probable", "lock.kernel", NULL },
	{ "lock.futex", lock_futex, "blocked", "/test/batch", NULL, "warning", "confirmed", "lock.file", NULL },
	{ "lock.file", lock_file, "blocked", "/test/batch", NULL, "warning", "confirmed", "lock.inode", NULL },
	{ "ipc.peer_slow", peer_slow, "blocked", "/test/batch", NULL, "warning", "confirmed", "lock.futex", NULL },
	{ "proc.traced", traced, "blocked", "/test/batch", NULL, "warning", "confirmed", "ipc.peer_slow", NULL },
	{ "proc.stopped", stopped, "signal", "/test/batch", "signal 19", "critical", "confirmed", "proc.traced",
	  "probable" },
	{ "proc.crash", crash, "signal", "/test/web", NULL, "critical", "confirmed", "proc.killed", "possible" },
	{ "proc.denied", denied, "signal", "/test/web", NULL, "critical", "confirmed", "proc.crash", "possible" },
	{ "proc.zombies", zombies, "limits", "/test/web", NULL, "info", "confirmed", NULL, NULL },
	{ "proc.hung", hung, "scan", NULL, NULL, "critical", "probable", "lock.kernel", NULL },
	{ "mem.fault_handler", fault_handler, "blocked", "/test/batch", "provides its pages", "warning", "confirmed",
	  "lock.futex", NULL },
	{ "limit.inotify", limit_inotify, "limits", "/test/batch", "8180", "warning", "confirmed", "limit.fds", NULL },
	{ "limit.cgroups", limit_cgroups, "limits", "/test/web", NULL, "warning", "confirmed", "limit.pids", NULL },
	{ "proc.errors", errors, "errors", "/test/web", "EBADF", "info", "confirmed", NULL, NULL },
	{ "limit.pids", limit_pids, "limits", "/test/web", NULL, "warning", "confirmed", "limit.pids.ancestor", NULL },
	{ "limit.fds", limit_fds, "limits", "/test/web", NULL, "warning", "probable", "limit.rlimit", NULL },
	{ "limit.map_count", limit_maps, "limits", "/test/web", NULL, "warning", "probable", "limit.fds", NULL },
	{ "limit.rlimit", limit_rlimit, "limits", "/test/web", NULL, "critical", "confirmed", "limit.map_count", NULL },
};

static const struct story in_a_pod[] = {
	{ "limit.pids.ancestor", limit_pids_above, "limits", "/test/pod/batch", "90 of the tasks", "warning", "confirmed",
	  "limit.pids", NULL },
};

int main(void)
{
	int r = stories_run(stories, ARRAY_SIZE(stories), &usual_stage);

	return r ? r : stories_run(in_a_pod, ARRAY_SIZE(in_a_pod), &pod_stage);
}
