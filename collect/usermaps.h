/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where addresses in user mode belong: file and offset, from /proc/PID/maps.  Files of containers are never opened:
 * one of theirs could be on a file system that does not answer, and what is inside is hostile.  So there are no
 * function names; `addr2line` or `perf` get them from the offset.
 *
 * Maps are read while the process is there, kept for some seconds, and reading them may take USERMAPS_TICK_NS a tick:
 * what is not known in time is "[unknown]".
 */
#ifndef KWHY_COLLECT_USERMAPS_H
#define KWHY_COLLECT_USERMAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/event.h"

#define USERMAPS_PROCESSES 64
#define USERMAPS_REGIONS_MAX 512 /* executable ones of a process; what is beyond is unknown */
#define USERMAPS_TICK_NS 2000000
#define USERMAPS_NAME_MAX 48
#define USERMAPS_UNKNOWN "[unknown]"

struct usermaps;

struct usermaps *usermaps_new(const char *proc_dir); /* "/proc"; NULL: out of memory */
void usermaps_free(struct usermaps *m);
void usermaps_tick(struct usermaps *m); /* there is time again */

struct user_frame {
	const char *name; /* last part of the file's path, or "[vdso]", "[anonymous]", "[unknown]"; valid until the next call */
	uint64_t offset;  /* in the file; 0 without one */
};

/*
 * Names count addresses of a task as it was at ts_ns.  False when there was no time to find out: another time may tell
 * more.
 */
bool usermaps_resolve(struct usermaps *m, const struct kw_party *task, uint64_t ts_ns, const uint64_t *addresses,
		      unsigned int count, struct user_frame *ret_frames);

#endif
