/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of a program or library by their place in the file, from its own symbols (.symtab, or .dynsym when that was
 * stripped).  The file is a container's: nothing in it is believed, sizes and counts are bounded.  Not libelf: it takes
 * in whole sections of whatever size the file says, or maps the file, and then dies of SIGBUS when its owner truncates
 * it; libbpf's objects, which are ours, are read with it.
 */
#ifndef KWHY_COLLECT_ELFSYMS_H
#define KWHY_COLLECT_ELFSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELFSYMS_NAME_MAX 64	/* longer names are cut off there, once they are in clear */
#define ELFSYMS_BUILD_ID_MAX 41 /* 20 bytes in hex */

struct elfsyms;

/* Reads an open file.  -ENOEXEC: no 64-bit ELF file of this machine's byte order; -ENODATA: without functions. */
int elfsyms_read(int fd, struct elfsyms **ret);
void elfsyms_free(struct elfsyms *s);
size_t elfsyms_bytes(const struct elfsyms *s); /* of memory; 0 of NULL */

/* Name of the function at that offset of the file, as it stands there, and how far into it that is; NULL: none. */
const char *elfsyms_find(const struct elfsyms *s, uint64_t file_offset, uint64_t *ret_into);

/* The build id of an open file, in hex: by it others find its symbols (debuginfod, `file`).  False: it has none. */
bool elfsyms_build_id(int fd, char ret[static ELFSYMS_BUILD_ID_MAX]);

#endif
