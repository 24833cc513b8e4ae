/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of /proc/PID/mountinfo (proc(5)), which say what a process has mounted. */
#ifndef KWHY_COLLECT_MOUNTINFO_H
#define KWHY_COLLECT_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

struct mountinfo {
	uint32_t dev;     /* major << 20 | minor, as the kernel has it */
	char root[1024];  /* the directory of the file system that is mounted */
	char point[1024]; /* where */
	char type[16];
	char source[256];
	char options[512]; /* of the file system */
};

/* The next mount of *text, which moves on; lines that are none are left out.  false: no more. */
bool mountinfo_next(const char **text, struct mountinfo *ret);

#endif
