/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernels before 6.1 lack some of what programs are made of: memory that maps may take while programs run (6.1),
 * bpf_map_lookup_percpu_elem (5.19), bpf_loop (5.17), bpf_task_pt_regs (5.15), bpf_for_each_map_elem and bpf_snprintf
 * (5.13), task storage in tracing programs and pointers as arguments of global functions (5.12),
 * bpf_get_current_task_btf and spin locks in tracing programs (5.11).  For them some objects (PLAIN in the Makefile) are
 * compiled a second time, with KW_PLAIN; the collector asks the kernel which it needs.  A branch would not do: old
 * kernels refuse an object for a callback that nobody calls.
 */
#ifndef KWHY_BPF_PLAIN_H
#define KWHY_BPF_PLAIN_H

#include "bpf/kernel.bpf.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#ifdef KW_PLAIN

/* Of a pointer from kw_current(): the verifier does not trust it here. */
#define kw_current() ((struct task_struct *)bpf_get_current_task())
#define KW_READ(p, ...) BPF_CORE_READ(p, __VA_ARGS__)

/* fn(i, ctx) for i from 0 to n - 1, until it returns 1. */
#define KW_LOOP(n, fn, ctx)											\
	do {													\
		for (u32 i_ = 0; i_ < (n); i_++)								\
			if (fn(i_, ctx))									\
				break;										\
	} while (0)

/* Two CPUs that meet may lose an addition or count one twice; users say so. */
#define kw_spin_lock(lock) ((void)(lock))
#define kw_spin_unlock(lock) ((void)(lock))
/* Of a counter that must not drift even so: an addition under the lock that is none. */
#define kw_locked_add(counter, n) __sync_fetch_and_add(counter, n)
#define KW_GLOBAL static __noinline

struct kw_task_key {
	u64 start_ns;
	u32 tid;
	u32 _pad;
};

static __always_inline struct kw_task_key kw_task_key(struct task_struct *task)
{
	return (struct kw_task_key){ .start_ns = BPF_CORE_READ(task, start_boottime), .tid = BPF_CORE_READ(task, pid) };
}

#define KW_TASK_STORAGE(name, T, entries)									\
	struct {												\
		__uint(type, BPF_MAP_TYPE_LRU_HASH);								\
		__uint(max_entries, entries);									\
		__type(key, struct kw_task_key);								\
		__type(value, T);										\
	} name SEC(".maps");											\
	struct {												\
		__uint(type, BPF_MAP_TYPE_ARRAY);								\
		__uint(max_entries, 1);										\
		__type(key, u32);										\
		__type(value, T);										\
	} name##_new SEC(".maps");										\
	static __always_inline T *name##_of(struct task_struct *task, bool create)				\
	{													\
		struct kw_task_key key_ = kw_task_key(task);							\
		T *known_ = bpf_map_lookup_elem(&name, &key_), *new_;						\
		u32 zero_ = 0;											\
		if (known_ || !create)										\
			return known_;										\
		new_ = bpf_map_lookup_elem(&name##_new, &zero_);						\
		if (new_)											\
			bpf_map_update_elem(&name, &key_, new_, BPF_NOEXIST);					\
		return bpf_map_lookup_elem(&name, &key_);							\
	}													\
	static __always_inline __attribute__((unused)) void name##_forget(struct task_struct *task)		\
	{													\
		struct kw_task_key key_ = kw_task_key(task);							\
		bpf_map_delete_elem(&name, &key_);								\
	}

/* Of each CPU one, which every CPU can look at. */
#define KW_PLAIN_CPUS 256
#define KW_EACH_CPU(name, T)											\
	struct {												\
		__uint(type, BPF_MAP_TYPE_ARRAY);								\
		__uint(max_entries, KW_PLAIN_CPUS);								\
		__type(key, u32);										\
		__type(value, T);										\
	} name SEC(".maps");											\
	static __always_inline T *name##_on(u32 cpu)								\
	{													\
		return bpf_map_lookup_elem(&name, &cpu);							\
	}													\
	static __always_inline T *name##_here(void)								\
	{													\
		return name##_on(bpf_get_smp_processor_id());							\
	}

#define kw_map_is_empty(map) false

#else

struct bpf_map { /* the first argument of callbacks, too */
	u32 id;
} __attribute__((preserve_access_index));
extern s64 bpf_map_sum_elem_count(const struct bpf_map *map) __ksym __weak; /* 6.6 */

/* A walk over a hash map goes through all its buckets, some 10 ns each, whatever is in it. */
#define kw_map_is_empty(map) (bpf_map_sum_elem_count && !bpf_map_sum_elem_count((const struct bpf_map *)&(map)))

#define kw_current() bpf_get_current_task_btf()
#define KW_READ(p, ...) (___arrow(p, __VA_ARGS__))
#define KW_LOOP(n, fn, ctx) bpf_loop(n, fn, ctx, 0)
#define kw_spin_lock(lock) bpf_spin_lock(lock)
#define kw_spin_unlock(lock) bpf_spin_unlock(lock)
#define kw_locked_add(counter, n) (*(counter) += (n))
#define KW_GLOBAL __noinline

#define KW_TASK_STORAGE(name, T, entries)									\
	struct {												\
		__uint(type, BPF_MAP_TYPE_TASK_STORAGE);							\
		__uint(map_flags, BPF_F_NO_PREALLOC);								\
		__type(key, int);										\
		__type(value, T);										\
	} name SEC(".maps");											\
	static __always_inline T *name##_of(struct task_struct *task, bool create)				\
	{													\
		return bpf_task_storage_get(&name, task, NULL, create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);	\
	}													\
	static __always_inline __attribute__((unused)) void name##_forget(struct task_struct *task)		\
	{													\
		bpf_task_storage_delete(&name, task);								\
	}

#define KW_EACH_CPU(name, T)											\
	struct {												\
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);							\
		__uint(max_entries, 1);										\
		__type(key, u32);										\
		__type(value, T);										\
	} name SEC(".maps");											\
	static __always_inline T *name##_on(u32 cpu)								\
	{													\
		u32 zero_ = 0;											\
		return bpf_map_lookup_percpu_elem(&name, &zero_, cpu);						\
	}													\
	static __always_inline T *name##_here(void)								\
	{													\
		u32 zero_ = 0;											\
		return bpf_map_lookup_elem(&name, &zero_);							\
	}

#endif

#endif
