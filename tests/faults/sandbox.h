/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place for one fault: cgroups in every hierarchy, processes inside them, a
 * private mount namespace with a tmpfs, and nothing left behind.
 *
 * Clean-up does not depend on this process: mounts live in a mount namespace
 * of ours, loop devices clear themselves on last close, network namespaces
 * have no name, children die with their parent (PR_SET_PDEATHSIG), and a
 * guardian process thaws, kills and removes the cgroups when we are gone.
 */
#ifndef KWHY_TESTS_FAULTS_SANDBOX_H
#define KWHY_TESTS_FAULTS_SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define MS INT64_C(1000000)

#define SANDBOX_TREES_MAX 16
#define SANDBOX_CONTAINERS_MAX 16
#define SANDBOX_PIDS_MAX 64
#define SANDBOX_FDS_MAX 32
#define SANDBOX_UNDO_MAX 256
#define SANDBOX_STATE_MAX 16384

enum phase { PHASE_BEFORE, PHASE_FAULT, PHASE_AFTER, PHASE_STOP };
#define PHASES 3

/* Durations of one kind of request, by phase. */
struct tally {
	_Atomic uint64_t count, failed, sum_ns, max_ns;
};

/* One mounted cgroup hierarchy. */
struct cgroup_tree {
	char dir[128];
	char options[128]; /* ",cpu,cpuacct," for v1 */
	bool v2;
};

/* A line of /proc/self/mountinfo; false unless it is the root of a cgroup hierarchy. */
bool cgroup_tree_parse(const char *line, struct cgroup_tree *ret_tree);

struct container {
	char path[96]; /* the same in every hierarchy, with a leading slash */
	char comm[16];
	int netns_fd;  /* -1: the host's */
	int wires;     /* devices it has got so far (wire.h) */
};

/* Members of one JSON object, without braces. */
struct facts {
	char text[1536];
	size_t len;
};

struct shared;

struct sandbox {
	struct shared *shared;
	void *state; /* SANDBOX_STATE_MAX zeroed bytes, shared with all processes: the fault's own struct */
	uint64_t seed, rng;
	int before_ms, fault_ms, after_ms;
	struct cgroup_tree trees[SANDBOX_TREES_MAX];
	unsigned int tree_count;
	struct container containers[SANDBOX_CONTAINERS_MAX];
	unsigned int container_count;
	struct container *victim, *culprit, *bystander;
	char culprit_what[64]; /* "": none */
	struct facts params, proof;
	pid_t pids[SANDBOX_PIDS_MAX];
	bool serves[SANDBOX_PIDS_MAX]; /* without a container: others depend on it, it never ends by itself */
	unsigned int pid_count;
	char unmount_first[2][128]; /* in this order, before the process that serves the disk goes; "": nothing */
	int fds[SANDBOX_FDS_MAX]; /* kept open until the end, closed newest first */
	unsigned int fd_count;
	char dir[64]; /* a private tmpfs */
	char why[256];
};

/* why: what is missing on the host, when the result is -EOPNOTSUPP. */
int sandbox_open(struct sandbox *sb, uint64_t seed, int fault_ms);
/* Kills, unmounts, removes.  Fine on a half-opened one and when called twice. */
void sandbox_close(struct sandbox *sb);
/* Keeps the reason for the user and returns err. */
int sandbox_fail(struct sandbox *sb, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* True after SIGINT, SIGTERM, SIGHUP or the time bound. */
bool sandbox_interrupted(void);

enum phase sandbox_phase(const struct sandbox *sb);
void sandbox_set_phase(struct sandbox *sb, enum phase phase);
/* Lets the processes finish for grace_ms, then kills them. */
void sandbox_stop(struct sandbox *sb, int grace_ms);
/* First error a process of ours met while it got into its container, or 0. */
int sandbox_child_error(const struct sandbox *sb);

/* Uniform in [low, high]. */
int sandbox_random(struct sandbox *sb, int low, int high);
bool sandbox_chance(struct sandbox *sb, double p);
const char *sandbox_word(struct sandbox *sb);

/* A cgroup of a random name in every hierarchy. */
int container_new(struct sandbox *sb, struct container **ret_container);
/* A directory without processes, such as a pod's, and containers in it (NULL: at the top). */
int container_group(struct sandbox *sb, struct container **ret_group);
int container_new_in(struct sandbox *sb, const struct container *group, struct container **ret_container);
/* The usual three: victim, culprit, bystander. */
int sandbox_parties(struct sandbox *sb);
/* Gives it a network namespace of its own, loopback up, without IPv6. */
int container_netns(struct sandbox *sb, struct container *c);
bool controller_is_v2(const struct sandbox *sb, const char *controller);
/* Writes to the file of whichever version has the controller.  0 or negative errno. */
int container_write(struct sandbox *sb, const struct container *c, const char *controller, const char *v1_file,
		    const char *v2_file, const char *value);
/* The value of key in that file, or its only number when key is NULL; negative errno. */
int64_t container_read(struct sandbox *sb, const struct container *c, const char *controller, const char *v1_file,
		       const char *v2_file, const char *key);
/* Total of the "some" line of NAME.pressure in the v2 tree, in us; negative errno. */
int64_t container_pressure_us(struct sandbox *sb, const struct container *c, const char *name);

typedef void (*body_fn)(struct sandbox *sb, void *arg);
/* A process in container c (NULL: where we are).  Its pid, or negative errno.  arg is inherited by fork. */
pid_t sandbox_spawn(struct sandbox *sb, const struct container *c, body_fn body, void *arg);
/* Runs a program to its end, in the namespace netns_fd unless that is -1, quietly.  0, -ECHILD when it failed. */
int sandbox_exec(struct sandbox *sb, int netns_fd, const char *const argv[]);
/* Whether a program is in the usual places. */
bool sandbox_has_program(const char *name);
/* Hands an open descriptor over until the end. */
int sandbox_keep_fd(struct sandbox *sb, int fd);
/* Undo at the end, newest first. */
int sandbox_undo_mount(struct sandbox *sb, const char *path);
int sandbox_undo_freeze(struct sandbox *sb, const char *path);
int sandbox_write_file(const char *path, const char *value);
/* Writes it, and back at the end what is there now.  -EOPNOTSUPP: it cannot be read or written. */
int sandbox_set(struct sandbox *sb, const char *path, const char *value);

int64_t clock_ns(void);
void nap_ns(int64_t ns);
/* Sleeps in the driver; false when interrupted. */
bool sandbox_sleep(struct sandbox *sb, int ms);

void tally_add(struct tally t[PHASES], enum phase began, enum phase ended, int64_t ns);
void tally_fail(struct tally t[PHASES], enum phase phase);
uint64_t tally_mean(const struct tally *t);
/* "PREFIX_before_mean_ns" and so on. */
void facts_tally(struct facts *f, const char *prefix, const struct tally t[PHASES]);
void facts_int(struct facts *f, const char *name, int64_t value);
void facts_ns(struct facts *f, const char *name, int64_t value); /* as a string */
/* value must need no escaping. */
void facts_str(struct facts *f, const char *name, const char *value);

#endif
