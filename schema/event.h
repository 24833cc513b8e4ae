/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The envelope of everything kwhy captures, shared by BPF programs and user
 * space.  One record is
 *
 *     struct kw_event | payload (payload_size bytes) | stack frames (u64 each) | peer stack frames
 *
 * Frames are kernel addresses only between the BPF program and the collector;
 * behind it they are gone and stack, peer_stack hold content hashes of a
 * KW_KIND_stack record sent earlier (0: none).
 *
 * All integers are little- or big-endian as the host; records never leave it
 * except in a capture file, which says so in its header.
 */
#ifndef KWHY_SCHEMA_EVENT_H
#define KWHY_SCHEMA_EVENT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define KW_COMM_LEN 16
#define KW_STACK_FRAMES_MAX 32

/*
 * A cgroup as the kernel names it at the time of the event.
 * v2: kernfs id in the default hierarchy (the directory's inode; 1 is the root, 0 unknown).
 * v1: hierarchy number << 56 | kernfs id in that v1 hierarchy; 0 none.  The hierarchy number is the
 *     first column of /proc/PID/cgroup (cgroup_root.hierarchy_id).  Objects of one controller
 *     (memcg, blkcg, task group) on a v1 host carry only this one.
 * Ids of different hierarchies collide: never compare one without the other.
 */
struct kw_cg {
	__u64 v2;
	__u64 v1;
};

#define KW_CG_V1_SHIFT 56
#define KW_CG_ID_MASK ((1ULL << KW_CG_V1_SHIFT) - 1)

/* A task and its cgroup.  pid is the thread group, tid the thread, start_ns task_struct.start_boottime. All 0: nobody. */
struct kw_party {
	struct kw_cg cg;
	__u64 start_ns;
	__u32 pid;
	__u32 tid;
	char comm[KW_COMM_LEN];
};

enum kw_event_flags {
	KW_FLAG_PENDING = 1 << 0,   /* not over yet: seen by a scan; duration is up to now */
	KW_FLAG_POLLED = 1 << 1,    /* from polling a file, not from a hook */
	KW_FLAG_PEER_SELF = 1 << 2, /* peer is of the same cgroup */
	KW_FLAG_ESTIMATED = 1 << 3, /* duration or share is an upper bound or estimate, the payload says which */
};

struct kw_event {
	__u16 kind;          /* enum kw_kind */
	__u16 payload_size;  /* bytes after this struct */
	__u16 frames;        /* stack frames after the payload */
	__u16 peer_frames;   /* peer stack frames after those */
	__u32 flags;         /* enum kw_event_flags */
	__u32 cpu;
	__u64 ts_ns;         /* CLOCK_BOOTTIME; the end of what has a duration */
	__u64 duration_ns;   /* 0: has none */
	__s32 error;         /* positive errno, 0 none */
	__u32 reserved;
	__u64 stack;
	__u64 peer_stack;
	struct kw_party subject; /* the one it happened to */
	struct kw_party peer;    /* culprit, waker, lock owner, killer, limit owner; see each kind */
};

_Static_assert(sizeof(struct kw_cg) == 16, "kw_cg");
_Static_assert(sizeof(struct kw_party) == 48, "kw_party");
_Static_assert(sizeof(struct kw_event) == 152, "kw_event");

#define KW_RECORD_MAX (sizeof(struct kw_event) + 4096 + 2 * KW_STACK_FRAMES_MAX * 8)

/* Reasons of waits; explicit numbers, stored. */
enum kw_wait_reason {
	KW_WAIT_CPU = 1,       /* runnable, not running */
	KW_WAIT_THROTTLED = 2, /* stopped by a CFS quota */
	KW_WAIT_BLOCK = 3,     /* uninterruptible with in_iowait set */
	KW_WAIT_LOCK = 4,      /* kernel lock, from contention_begin to _end */
	KW_WAIT_RECLAIM = 5,   /* direct reclaim, on CPU or off */
	KW_WAIT_FROZEN = 6,    /* cgroup freezer */
	KW_WAIT_FSFROZEN = 7,  /* writer held back by a frozen file system */
	KW_WAIT_OTHER = 8,     /* uninterruptible, none of the above */
	KW_WAIT_REMOTE = 9,    /* for the server of a network or FUSE file system */
	KW_WAIT_STOLEN = 10,   /* on the CPU, but interrupts ran instead */
	KW_WAIT_FUTEX = 11,    /* a lock in user space that was taken */
	KW_WAIT_FILELOCK = 12, /* flock, fcntl */
	KW_WAIT_PEER = 13,     /* a full pipe or local socket whose other end does not read */
	KW_WAIT_STOPPED = 14,  /* by a stop signal */
	KW_WAIT_TRACED = 15,   /* in a ptrace stop */
	KW_WAIT_FAULT = 16,    /* a page fault, for the program that handles it in user space (userfaultfd) */
	KW_WAIT_MAX = 17,
};

enum kw_resource {
	KW_RES_CPU = 1,
	KW_RES_BLOCK = 2,
	KW_RES_LOCK = 3,
	KW_RES_MEMORY = 4,
	KW_RES_FS = 5,
	KW_RES_JOURNAL = 6, /* of a file system */
	KW_RES_FUTEX = 7,
	KW_RES_FILELOCK = 8,
	KW_RES_PEER = 9, /* pipes and local sockets */
	KW_RES_TRACE = 10,
	KW_RES_FAULT = 11, /* pages that a program in user space provides */
	KW_RES_MAX = 12,
};

/* Object of blame for the CPU: how the culprit was scheduled. */
enum kw_cpu_class {
	KW_CPU_FAIR = 0,
	KW_CPU_REALTIME = 1, /* before all others, or with a deadline */
};

/* Who is blamed when it is no container. */
enum kw_sink {
	KW_SINK_CONTAINER = 0, /* culprit is the peer's cgroup */
	KW_SINK_IDLE = 1,      /* the CPU idled meanwhile */
	KW_SINK_UNKNOWN = 2,   /* older than the ring of slices, or on another CPU */
	KW_SINK_DEVICE = 3,    /* served alone, the device took this long */
	KW_SINK_IRQ = 4,
	KW_SINK_STEAL = 5,     /* the hypervisor ran something else on that CPU */
	KW_SINK_WRITEBACK = 6, /* data the peer's cgroup had made dirty, written back by a kernel worker */
};

#endif
