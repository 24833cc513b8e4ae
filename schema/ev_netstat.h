/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Counters of one network namespace over one tick, from /proc/PID/net. subject.cg: the cgroup found to
 * own it; none: the host namespace.
 */
#ifndef KWHY_SCHEMA_EV_NETSTAT_H
#define KWHY_SCHEMA_EV_NETSTAT_H

#include "schema/event.h"

struct kw_netstat {
	__u64 span_ns;
	__u64 netns;
	__s64 tcp_out_segs;
	__s64 tcp_in_segs;
	__s64 tcp_retransmits;
	__s64 tcp_timeouts;
	__s64 listen_overflows;
	__s64 listen_drops;
	__s64 tcp_resets_sent;
	__s64 tcp_attempt_fails;
	__s64 udp_rcvbuf_errors;
	__s64 udp_no_ports;
	__s64 ip_out_no_routes;
	/* what follows was not in the first captures: only append */
	__s64 tcp_active_opens;
	__s64 tcp_passive_opens;
	__s64 request_queue_drops;
	__s64 request_queue_cookies;
	__s64 zero_window_probes;
	__s64 udp_in_datagrams;
	__s64 udp_out_datagrams;
	__s64 tcp_memory_pressures;
	__s64 tcp_memory_aborts;
	__u8 address[16];
};

_Static_assert(sizeof(struct kw_netstat) == 192, "kw_netstat");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_netstat(F) \
	F(span_ns, U64, NS, "length of the tick") \
	F(netns, U64, NONE, "inode") \
	F(tcp_out_segs, S64, COUNT, "segments sent") \
	F(tcp_in_segs, S64, COUNT, "segments received") \
	F(tcp_retransmits, S64, COUNT, "segments sent again") \
	F(tcp_timeouts, S64, COUNT, "retransmission timeouts") \
	F(listen_overflows, S64, COUNT, "accept queue overflows") \
	F(listen_drops, S64, COUNT, "SYNs dropped at a listener") \
	F(tcp_resets_sent, S64, COUNT, "resets sent") \
	F(tcp_attempt_fails, S64, COUNT, "failed connects") \
	F(udp_rcvbuf_errors, S64, COUNT, "UDP receive buffer overflows") \
	F(udp_no_ports, S64, COUNT, "UDP without listener") \
	F(ip_out_no_routes, S64, COUNT, "no route") \
	F(tcp_active_opens, S64, COUNT, "connects begun") \
	F(tcp_passive_opens, S64, COUNT, "connections that came in and were completed") \
	F(request_queue_drops, S64, COUNT, "SYNs dropped, request queue full") \
	F(request_queue_cookies, S64, COUNT, "SYNs answered with a cookie, request queue full") \
	F(zero_window_probes, S64, COUNT, "probes sent to a peer that closed its window") \
	F(udp_in_datagrams, S64, COUNT, "datagrams read by their receivers") \
	F(udp_out_datagrams, S64, COUNT, "datagrams sent") \
	F(tcp_memory_pressures, S64, COUNT, "times TCP got short of memory") \
	F(tcp_memory_aborts, S64, COUNT, "connections ended for want of memory") \
	F(address, ADDR, NONE, "first IPv4 address that is not loopback, v4 mapped")

#endif
