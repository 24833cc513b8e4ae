/* SPDX-License-Identifier: Apache-2.0 */
/* A server that falls ill in one way during the fault, and clients with a connection for each request. */
#ifndef KWHY_TESTS_FAULTS_SERVICE_H
#define KWHY_TESTS_FAULTS_SERVICE_H

#include "tests/faults/wire.h"

enum illness {
	ILL_NOT,
	ILL_STALL,  /* accepts nothing */
	ILL_CLOSED, /* does not listen */
	ILL_RESET,  /* resets what it accepts */
	ILL_DEAF,   /* accepts and does not read */
};

/* What clients met while the fault lasted; the server's own counters over all its time. */
struct service_counts {
	_Atomic uint64_t refused, reset, timeouts, overflows, request_drops;
};

struct service {
	struct wire wire;
	int port, backlog;
	int request_size;
	int64_t work_ns;   /* of the server, for each request: it waits for something */
	enum illness illness;
	const char *lock;  /* a file the server locks while it answers a request; NULL: none */
	int64_t period_ns; /* of the clients */
	int64_t timeout_ns;
	struct tally *tally; /* [PHASES] of the clients */
	struct service_counts *counts;
};

/* Process bodies; arg is a struct service. */
void service_body(struct sandbox *sb, void *arg);
void service_client(struct sandbox *sb, void *arg);
/* A service and its clients in the containers given, wired up. */
int service_new(struct sandbox *sb, struct service *s, struct container *client, struct container *server, int clients);
/* The counter NAME of the network namespace we are in, from /proc/self/net/netstat or snmp; 0 when there is none. */
uint64_t net_counter(const char *file, const char *name);
/* A non-blocking socket on its way to the service; a negative errno. */
int service_connect(const struct service *s);

#endif
