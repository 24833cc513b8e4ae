/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets that are refused memory (__sk_mem_raise_allocated(), net/core/sock.c).  Below the protocol's own pressure
 * mark nothing is refused on its account, so that it must have been the container's limit.  What comes in for a
 * container at its limit is not told here: it is dropped (PROTO_MEM).
 */
#ifndef KWHY_BPF_SOCKMEM_H
#define KWHY_BPF_SOCKMEM_H

#include "bpf/net.bpf.h"

KW_RECORD(sockmem);

#define SK_MEM_RECV 1 /* include/net/sock.h */

static __always_inline void sockmem_fill(struct kw_sockmem *p, struct sock *sk, struct proto *prot, s64 pages)
{
	const long *sysctl_mem = BPF_CORE_READ(prot, sysctl_mem);
	long limits[3] = {};

	bpf_probe_read_kernel(limits, sizeof(limits), sysctl_mem);
	p->allocated_bytes = pages * KW_PAGE_SIZE;
	p->pressure_bytes = limits[1] * KW_PAGE_SIZE;
	p->limit_bytes = limits[2] * KW_PAGE_SIZE;
	p->own_limit = pages <= limits[1];
	p->unsent_bytes = BPF_CORE_READ(sk, sk_wmem_queued);
	p->unread_bytes = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
	p->protocol = BPF_CORE_READ(sk, sk_protocol);
}

static __always_inline int sockmem_handle(struct sock *sk, struct proto *prot, s64 pages, int kind)
{
	struct kw_sockmem_record *r;
	struct kw_cg cg = {};
	u32 netns;

	if (!kw_sock_full(sk) || kw_is_off())
		return 0;
	netns = kw_owner_of_sock(sk, &cg);
	r = kw_begin(KW_KIND_sockmem, &cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return 0;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.subject.cg = cg;
	r->p.netns = netns;
	r->p.receiving = kind == SK_MEM_RECV;
	sockmem_fill(&r->p, sk, prot, pages);
	kw_submit(r, false);
	return 0;
}

#endif
