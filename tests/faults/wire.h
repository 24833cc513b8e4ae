/* SPDX-License-Identifier: Apache-2.0 */
/* Networks between containers of our own. */
#ifndef KWHY_TESTS_FAULTS_WIRE_H
#define KWHY_TESTS_FAULTS_WIRE_H

#include "tests/faults/sandbox.h"

/* One client and one server, each with an address; the client's is .1, the server's .2 of a random 10.x.y.0/30. */
struct wire {
	char client[20], server[20];
	char device[12]; /* at both ends */
};

/*
 * A forwarder process between two tun devices.  While the phase is PHASE_FAULT it loses that many in 1000 packets
 * from the client, unseen by the kernel, to which a packet read from a tun device was delivered.
 */
int wire_forwarder(struct sandbox *sb, struct container *client, struct container *server, int lost_per_1000,
		   _Atomic uint64_t *ret_lost, struct wire *ret_wire);
/* The same, but the forwarder takes nothing from the client while the phase is PHASE_FAULT: its device fills up. */
int wire_stalling(struct sandbox *sb, struct container *client, struct container *server, struct wire *ret_wire);
/* The same, but in PHASE_FAULT it loses every packet from the client that is longer, and tells nobody. */
int wire_narrow(struct sandbox *sb, struct container *client, struct container *server, int largest,
		_Atomic uint64_t *ret_lost, struct wire *ret_wire);
/* The two ends of a veth pair; one container may have several. */
int wire_veth(struct sandbox *sb, struct container *client, struct container *server, struct wire *ret_wire);

/* IPv6 on a device of the container: an address PREFIX::NUMBER of a /64, and more if last is greater. */
int wire_ipv6(struct sandbox *sb, struct container *c, const char *device, const char *prefix, int number, int last);

/* Traffic: requests and answers of such sizes, over one connection or one for each. */
struct talk {
	char address[20];
	int port, period_ms, request_size, reply_size;
	bool reconnect;
	int64_t timeout_ns;    /* a request that takes longer has failed */
	int64_t think_ns;      /* before each answer, while the fault lasts */
	struct tally *tally;   /* [PHASES] */
	_Atomic uint64_t *retransmits; /* sum of TCP_INFO's at the end; NULL: not wanted */
};

/* Process bodies; arg is a struct talk.  The server answers until it is killed or the phase is PHASE_STOP. */
void talk_server(struct sandbox *sb, void *arg);
void talk_client(struct sandbox *sb, void *arg);

/* Traffic with a random port, sizes and pace; the caller changes what matters to it. */
struct talk talk_draw(struct sandbox *sb, const char *address, struct tally *tally);
/* The server and so many clients of one talk, which must last.  0 or a negative errno, as below. */
int talk_spawn(struct sandbox *sb, struct container *client, struct container *server, struct talk *t, int clients);
/* sb->bystander, made here, talks over a veth pair to a server of its own, and nothing happens to them.  Sets the address. */
int talk_bystanders(struct sandbox *sb, struct talk *t);

#endif
