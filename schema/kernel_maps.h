/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Maps and settings shared by BPF programs and the collector (never stored, never sent). */
#ifndef KWHY_SCHEMA_KERNEL_MAPS_H
#define KWHY_SCHEMA_KERNEL_MAPS_H

#include "schema/event.h"

#define KW_KINDS_MAX 192
#define KW_WAIT_SUMS_MAX 16384
#define KW_BLAME_SUMS_MAX 16384
#define KW_TALLY_SUMS_MAX 16384
#define KW_WAKEUP_SUMS_MAX 8192
#define KW_BUCKETS_MAX 8192
#define KW_HELD_SUMS_MAX 8192

/* rodata of every object; all spans in ns. */
struct kw_settings {
	__u64 interval_ns; /* between records of one kind and container, once a second's worth went at once */
	__u64 ring_size;
	__u64 runq_threshold_ns;
	__u64 runq_blame_ns;
	__u64 throttle_threshold_ns;
	__u64 offcpu_threshold_ns;
	__u64 offcpu_sleep_threshold_ns;
	__u64 lock_threshold_ns;
	__u64 reclaim_threshold_ns;
	__u64 block_threshold_ns;
	__u64 irq_threshold_ns;
	__u64 nosched_threshold_ns;
	__u64 tickgap_threshold_ns;
	__u64 blocked_threshold_ns;
	__u64 wakeup_threshold_ns;
	__u64 profile_period_ns; /* between two samples of a CPU */
	__u64 errors_window_ns;
	__u64 answer_threshold_ns;
	__u64 qdelay_threshold_ns;
	__u64 max_map_count; /* vm.max_map_count when the programs were loaded */
	__u64 tick_ns; /* period of the timer interrupt of a CPU that runs something; 0: there may be none (nohz_full) */
	__u64 jiffy_ns; /* the kernel's own coarse unit of time */
	/* probes that share a hot hook; the others are simply not loaded */
	__u8 runq_on;
	__u8 throttle_on;
	__u8 offcpu_on;
	__u8 lock_on;
	__u8 freeze_on;
	__u8 irq_on;
	__u8 nosched_on;
	__u8 blocked_on;
	__u32 cpus; /* possible ones */
	__u8 wakeup_on;
	__u8 is_virtual; /* a hypervisor may take CPUs away */
	__u8 tickgap_on;
	__u8 reserved;
};

struct kw_book {
	__u64 emitted;
	__u64 suppressed;
	__u64 lost_ring;
	__u64 lost_other;
};

/* Those of one CPU, as one value: the collector reads them all each tick. */
struct kw_books {
	struct kw_book kind[KW_KINDS_MAX];
};

struct kw_control {
	__u32 epoch;  /* the collector adds one at each tick, then drains the sums of the former */
	__u32 off;    /* 1: every program returns at once */
	__u32 forget; /* 1: the scan clears what is known of tasks' waits: programs missed how some ended */
	__u32 reserved;
	__u8 fewer[KW_KINDS_MAX]; /* records of that kind come 2^n times as slowly: the governor's second step */
};

struct kw_wait_key {
	struct kw_cg cg;
	__u32 reason;
	__u32 epoch;
};

struct kw_wait_sum {
	__u64 count;
	__u64 sum_ns;
	__u64 max_ns;
};

struct kw_blame_key {
	struct kw_cg victim;
	struct kw_cg culprit;
	__u64 object;
	__u32 resource;
	__u32 sink;
	__u32 epoch;
	__u32 reserved;
};

struct kw_blame_sum {
	__u64 count;
	__u64 ns;
	struct kw_party culprit; /* the task seen first in this tick */
};

/* What schema/ev_tally.h counts. */
struct kw_tally_key {
	struct kw_cg cg;
	char name[24];
	__u32 epoch;
	__u32 reserved;
};

struct kw_tally_sum {
	__u64 count;
	__u64 ns;
	__u64 part_ns;
	__u64 max_ns;
};

/* Who woke whom; what schema/ev_wakeup.h tells. */
struct kw_wakeup_key {
	struct kw_cg woken;
	struct kw_cg waker;
	__u32 epoch;
	__u32 reserved;
};

struct kw_wakeup_sum {
	__u64 count;
	__u64 sum_ns;
	__u64 max_ns;
	struct kw_party waker; /* the task seen first in this tick */
};

struct kw_bucket_key {
	struct kw_cg cg;
	__u32 kind;
	__u32 reserved;
};

struct kw_bucket {
	__u64 due_ns; /* boot time at which it would be full again */
};

/* What buckets held back. */
struct kw_held_key {
	struct kw_cg cg;
	__u32 kind;
	__u32 epoch;
};

#endif
