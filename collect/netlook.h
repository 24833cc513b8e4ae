/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A closer look at a network namespace whose counters say that something is
 * wrong: which listener is full and of whose connections, which connections
 * their peer holds up.
 */
#ifndef KWHY_COLLECT_NETLOOK_H
#define KWHY_COLLECT_NETLOOK_H

#include <stdbool.h>

#include "collect/sampler.h"
#include "collect/sockdiag.h"
#include "schema/kinds.h"

/* Who is asked, and whose the sockets are when their own cgroup says nothing. */
struct netlook {
	const struct sampler_ctx *ctx;
	int pid;        /* a process in the namespace */
	uint64_t netns; /* its inode */
	struct kw_cg owner;
};

/* Emits one "listen" record; delta: the namespace's counters over this tick.  0 or a negative errno. */
int netlook_listeners(const struct netlook *look, const struct kw_netstat *delta);
/* Emits a "stuck" record for each connection whose peer has closed its window.  How many, or a negative errno. */
int netlook_stuck(const struct netlook *look);

#define NETLOOK_LINKS_MAX 8

/* The devices of a namespace as they were last time. */
struct netlook_links {
	struct diag_link items[NETLOOK_LINKS_MAX];
	unsigned int count;
};

/* Emits a "link" record for each device that worked last time and does not now; keeps how they are.  0 or negative. */
int netlook_devices(const struct netlook *look, struct netlook_links *links);

/* ---- what the first one finds, apart from asking ------------------------------------------------------------ */

#define NETLOOK_LISTENERS_MAX 64
#define NETLOOK_PEERS_MAX 128

struct netlook_peer {
	unsigned int listener;
	uint32_t waiting, half_open;
	uint8_t address[16];
};

struct netlook_table {
	struct diag_socket listeners[NETLOOK_LISTENERS_MAX];
	uint32_t half_open[NETLOOK_LISTENERS_MAX];
	unsigned int listener_count;
	struct netlook_peer peers[NETLOOK_PEERS_MAX]; /* the first so many addresses */
	unsigned int peer_count;
};

/* Fits sockdiag_tcp(): listeners first, then what waits for them. */
void netlook_take(void *table, const struct diag_socket *s);
/* The listener that dropped, and who waits for it.  False: there is no listener. */
bool netlook_judge(const struct netlook_table *t, const struct kw_netstat *delta, struct kw_listen *ret,
		   uint64_t *ret_cgroup);

#endif
