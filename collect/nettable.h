/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the network that can be full: connections that are tracked (nf_conntrack, one a network namespace) and
 * neighbours (ARP and NDP, one for all namespaces of the host).  Their own counters say when an entry was refused; only
 * then somebody looks at the entries.
 */
#ifndef KWHY_COLLECT_NETTABLE_H
#define KWHY_COLLECT_NETTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/netlook.h"
#include "schema/ev_fulltable.h"

/* The connections of one namespace, as they were last time; all 0 at first. */
struct nettable_conntrack {
	bool used;           /* it tracks connections at all */
	unsigned int visits;
	uint64_t read_ns;
	int64_t refused;
};

/* Once a tick.  Emits a "fulltable" record when connections were refused.  0 or a negative errno. */
int nettable_conntrack(const struct netlook *look, struct nettable_conntrack *t);

/* The two tables of neighbours. */
struct nettable_neighbours {
	uint64_t read_ns;
	int64_t refused[2];
	struct kw_fulltable full[2]; /* refused 0: it is not */
	struct kw_cg owner[2];       /* of the namespace with most entries so far */
};

/* Once a tick: true when entries were refused, and each namespace shall be looked at. */
bool nettable_neighbours_full(struct nettable_neighbours *t, uint64_t now_ns);
void nettable_neighbours_look(struct nettable_neighbours *t, const struct netlook *look);
/* Emits the "fulltable" records. */
int nettable_neighbours_emit(struct nettable_neighbours *t, const struct sampler_ctx *ctx);

/* ---- what is found among the entries, apart from asking ------------------------------------------------------ */

#define NETTABLE_ADDRESSES_MAX 256
#define NETTABLE_LOOKED_MAX 4096 /* the order is that of a keyed hash, so that the first ones are a fair sample */

struct nettable_addresses {
	struct {
		uint8_t address[16];
		uint64_t entries;
	} items[NETTABLE_ADDRESSES_MAX];
	unsigned int count;
	uint64_t looked_at;
};

/* One message of ctnetlink's reply, len bytes behind the netlink header: the address that began the connection. */
bool nettable_origin(const void *message, size_t len, uint8_t ret_address[16]);
void nettable_take(struct nettable_addresses *t, const uint8_t address[16]);
/* The address with most entries into ret's peer_address, peer_entries, looked_at. */
void nettable_judge(const struct nettable_addresses *t, struct kw_fulltable *ret);

#endif
