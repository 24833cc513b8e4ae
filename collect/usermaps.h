/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where addresses in user mode belong: file and offset, from /proc/PID/maps, and the function, from the file's own
 * symbols (collect/elfsyms.h), in clear (collect/demangle.h).  The file is the very one that is mapped
 * (/proc/PID/map_files), and it is only opened where it lies on a disk or in memory of this host: the server of a file
 * system may not answer.  What has no symbols stays file, offset and build id: `addr2line` gets the rest from there, after
 * `debuginfod-find` on another machine.
 *
 * A thread of its own reads the maps: on kernels before 6.17 that waits for the process's mmap_lock, which can be held
 * for as long as a file server is away.  Then names are missing, and nothing else.  What is read is kept for some
 * seconds, and reading may take USERMAPS_TICK_NS of CPU a tick; what is not known in time is "[unknown]".
 */
#ifndef KWHY_COLLECT_USERMAPS_H
#define KWHY_COLLECT_USERMAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "collect/elfsyms.h"
#include "schema/event.h"

#define USERMAPS_PROCESSES 64
#define USERMAPS_QUEUE 64
#define USERMAPS_REGIONS_MAX 512 /* executable ones of a process; what is beyond is unknown */
#define USERMAPS_TICK_NS 2000000
#define USERMAPS_NAME_MAX 48
#define USERMAPS_FILES 16 /* that are known, those used last */
#define USERMAPS_SYMBOLS_MAX (2 << 20) /* bytes of all their symbols; one file has 768 KiB at most */
#define USERMAPS_UNKNOWN "[unknown]"

/* A part of a process's memory that can be executed. */
struct user_region {
	uint64_t start, end, offset;
	uint64_t inode; /* 0: no file */
	unsigned int major, minor;
	char name[USERMAPS_NAME_MAX]; /* printable, without ';' */
};

/* One line of /proc/PID/maps without its newline; false when it is of no such part. */
bool user_region_parse(const char *line, struct user_region *ret);

struct usermaps;

struct usermaps *usermaps_new(const char *proc_dir); /* "/proc"; NULL: out of memory */
void usermaps_free(struct usermaps *m);
void usermaps_tick(struct usermaps *m); /* there is time again */

/* A task was at these addresses at ts_ns: reads what is missing to name them, soon.  Cheap when nothing is. */
void usermaps_want(struct usermaps *m, const struct kw_party *task, uint64_t ts_ns, const uint64_t *addresses,
		   unsigned int count);
/* Until all that was wanted has been read, but not longer than so many ms. */
void usermaps_wait(struct usermaps *m, unsigned int ms);

struct user_frame {
	char name[USERMAPS_NAME_MAX]; /* last part of the file's path, or "[vdso]", "[anonymous]", "[unknown]" */
	uint64_t offset;	      /* in the file; 0 without one */
	char function[ELFSYMS_NAME_MAX]; /* in clear; "": not known */
	uint64_t into;			 /* that function */
	char build_id[ELFSYMS_BUILD_ID_MAX]; /* of a file whose function is not known; "": it has none */
};

/* Names addresses of a process, as far as its maps are known. */
void usermaps_resolve(struct usermaps *m, uint32_t pid, const uint64_t *addresses, unsigned int count,
		      struct user_frame *ret_frames);

#endif
