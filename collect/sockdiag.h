/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP sockets of any network namespace, as ss(8) gets them: NETLINK_SOCK_DIAG
 * (sock_diag(7)), and its devices, as ip(8) does (rtnetlink(7)).  Asked only when a counter says that
 * something is wrong: a dump of connections walks the whole table of the host.
 */
#ifndef KWHY_COLLECT_SOCKDIAG_H
#define KWHY_COLLECT_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* include/net/tcp_states.h: bits for sockdiag_tcp() are 1 << state; SYN_RECV has the half-open requests, too. */
enum diag_state { DIAG_ESTABLISHED = 1, DIAG_SYN_RECV = 3, DIAG_FIN_WAIT1 = 4, DIAG_CLOSE_WAIT = 8, DIAG_LISTEN = 10 };

#define DIAG_TIMER_PROBE 4 /* include/uapi/linux/inet_diag.h: the zero-window probe is armed */

struct diag_socket {
	unsigned int state; /* enum diag_state and others */
	unsigned int timer;
	uint16_t sport, dport;
	uint32_t inode;     /* 0: nobody has accepted it */
	uint32_t rqueue;    /* listener: connections that wait; else bytes not read */
	uint32_t wqueue;    /* listener: how many may wait; else bytes not acknowledged */
	uint64_t cgroup;    /* id in the v2 tree, 0 unknown (before 5.8) */
	uint64_t since_sent_ns, limited_ns; /* struct tcp_info: last_data_sent, rwnd_limited */
	uint8_t saddr[16], daddr[16]; /* v4 mapped */
};

typedef void (*sockdiag_fn)(void *ctx, const struct diag_socket *s);

/*
 * Calls fn for each socket whose state is in the set, of the network namespace netns (inode) that process pid is in.
 * Stops after max sockets.  How many there were, or a negative errno: -ESTALE when the process is in another namespace.
 */
int sockdiag_tcp(int pid, uint64_t netns, uint32_t states, unsigned int max, sockdiag_fn fn, void *ctx);

/* A device that is not loopback. */
struct diag_link {
	uint32_t ifindex;
	bool up, carrier;
	char name[16];
};

/* The devices of the namespace, at most max.  How many, or a negative errno. */
int sockdiag_links(int pid, uint64_t netns, struct diag_link *ret_links, unsigned int max);

/* A netlink socket of that namespace; answers are waited for 100 ms.  A descriptor or a negative errno, as above. */
int sockdiag_open(int pid, uint64_t netns, int protocol);

/* One message of the reply, len bytes behind its header; 0 or -EBADMSG. */
int sockdiag_parse(const void *message, size_t len, struct diag_socket *ret);

#endif
