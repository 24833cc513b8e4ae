/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A task waited for a kernel lock. peer: the holder when the wait began; peer stack: where the holder
 * was; stack: the waiter.
 */
#ifndef KWHY_SCHEMA_EV_LOCK_H
#define KWHY_SCHEMA_EV_LOCK_H

#include "schema/event.h"

struct kw_lock {
	__u64 address;
	__u32 contention_flags;
	__u32 type;
	__u32 holder_state;
	__u32 holder_on_cpu;
	char name[48];
	char place[48];
	__u32 fs_freeze_level;
	__u32 dev;
};

_Static_assert(sizeof(struct kw_lock) == 128, "kw_lock");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_lock(F) \
	F(address, U64, NONE, "lock") \
	F(contention_flags, U32, NONE, "LCB_F_* of the kernel") \
	F(type, U32, NONE, "1 mutex, 2 rwsem read, 3 rwsem write, 4 spin, 5 rwlock, 6 percpu-rwsem read, " \
			   "7 percpu-rwsem write, 8 rt-mutex, 9 other") \
	F(holder_state, U32, NONE, "task state of the holder, 0 running") \
	F(holder_on_cpu, U32, NONE, "1 it was on a CPU") \
	F(name, STR, NONE, "lock as far as known: fs:DISK, inode:NUMBER@DISK, mmap:PROCESS, a symbol, or the caller") \
	F(place, STR, NONE, "function that wanted it") \
	F(fs_freeze_level, U32, NONE, "super_block.s_writers.frozen when it is the lock of a file system, else 0") \
	F(dev, U32, NONE, "device number of that file system, or of the inode")

#endif
