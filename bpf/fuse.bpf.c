// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits for the server of a FUSE file system.  They are interruptible, so no
 * other probe sees them; and a server that hangs ends none, so the open ones
 * are looked at once a tick.  The server of a connection is who answered its
 * last request.
 */
#include "bpf/drift.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define FLOOR_NS 1000000ULL    /* shorter ones are not in the sums */
#define LONG_NS 100000000ULL   /* longer ones have a record */

/* include/uapi/linux/fuse.h: these wait for somebody's lock, for an event or for nothing */
enum { FUSE_SETLKW = 33, FUSE_POLL = 40, FUSE_IOCTL = 39, FUSE_INIT = 26, FUSE_NOTIFY_REPLY = 41 };

struct asked {
	u64 begin_ns;
	u64 accounted_ns;  /* in the sums up to here */
	u64 conn;
	u64 node;
	u32 opcode;
	u32 dev;
	struct kw_party by;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64); /* struct fuse_req */
	__type(value, struct asked);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64); /* struct fuse_conn */
	__type(value, struct kw_party);
} servers SEC(".maps");

KW_RECORD(fuse);

SEC("tp_btf/fuse_request_send")
int BPF_PROG(fuse_sent, struct fuse_req *req)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct asked q = {};
	u64 id = (u64)req;

	/* A kernel thread's request is somebody else's, and whoever waits for it waits elsewhere. */
	if ((task->flags & PF_KTHREAD) || kw_is_off())
		return 0;
	q.opcode = BPF_CORE_READ(req, in.h.opcode);
	if (q.opcode == FUSE_SETLKW || q.opcode == FUSE_POLL || q.opcode == FUSE_IOCTL || q.opcode == FUSE_INIT ||
	    q.opcode == FUSE_NOTIFY_REPLY)
		return 0;
	q.begin_ns = bpf_ktime_get_boot_ns();
	q.accounted_ns = q.begin_ns;
	q.conn = kw_fuse_conn(req, &q.dev);
	q.node = BPF_CORE_READ(req, in.h.nodeid);
	kw_party_of((struct task_struct *)task, &q.by);
	if (bpf_map_update_elem(&requests, &id, &q, BPF_ANY))
		kw_count_lost_other(KW_KIND_fuse);
	return 0;
}

/* A request that ends, or goes on (pending), at now. */
static __always_inline void account(struct asked *q, u64 now, bool pending)
{
	u64 conn = q->conn, ns = now - q->begin_ns;
	struct kw_fuse_record *r;
	struct kw_party *server;

	if (ns < FLOOR_NS || kw_is_own(q->by.pid))
		return;
	server = bpf_map_lookup_elem(&servers, &conn);
	kw_sum_wait(&q->by.cg, KW_WAIT_REMOTE, now - q->accounted_ns);
	kw_sum_blame(KW_RES_FS, &q->by.cg, server, server ? KW_SINK_CONTAINER : KW_SINK_UNKNOWN, q->dev,
		     now - q->accounted_ns);
	q->accounted_ns = now;
	if (ns < LONG_NS)
		return;
	r = kw_begin(KW_KIND_fuse, &q->by.cg, sizeof(*r), sizeof(r->p));
	if (!r)
		return;
	__builtin_memset(&r->p, 0, sizeof(r->p));
	r->e.ts_ns = now;
	r->e.duration_ns = ns;
	r->e.flags = pending ? KW_FLAG_PENDING : 0;
	r->e.subject = q->by;
	if (server)
		r->e.peer = *server;
	r->p.dev = q->dev;
	r->p.opcode = q->opcode;
	r->p.node = q->node;
	kw_submit(r, false);
}

SEC("tp_btf/fuse_request_end")
int BPF_PROG(fuse_ended, struct fuse_req *req)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 id = (u64)req, conn;
	struct asked *q = bpf_map_lookup_elem(&requests, &id);
	struct kw_party server;

	if (!q)
		return 0;
	conn = q->conn;
	/* An interrupted request ends in the context of who made it: that is no server. */
	if (task->pid != q->by.tid && !(task->flags & PF_KTHREAD)) {
		kw_party_of((struct task_struct *)task, &server);
		bpf_map_update_elem(&servers, &conn, &server, BPF_ANY);
	}
	account(q, bpf_ktime_get_boot_ns(), false);
	bpf_map_delete_elem(&requests, &id);
	return 0;
}

/* bpf_for_each_map_elem() callback. */
static long look(struct bpf_map *map, u64 *id, struct asked *q, void *data)
{
	account(q, bpf_ktime_get_boot_ns(), true);
	return 0;
}

SEC("iter/task")
int fuse_pending(struct bpf_iter__task *ctx)
{
	if (!kw_is_off() && !kw_map_is_empty(requests))
		bpf_for_each_map_elem(&requests, look, NULL, 0);
	kw_iter_stop(ctx->meta);
	return 0;
}
