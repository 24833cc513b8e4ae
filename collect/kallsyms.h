/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's text symbols, compactly: one arena of names, one sorted table. */
#ifndef KWHY_COLLECT_KALLSYMS_H
#define KWHY_COLLECT_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#define KALLSYMS_MAX 1000000

struct kallsyms;

struct kallsyms *kallsyms_new(void); /* empty; NULL: out of memory */
void kallsyms_free(struct kallsyms *s);

/*
 * Adds one line "address type name[\t[module]]" without its newline; symbols that are no code are passed over.
 * 0, -EBADMSG for other text, -ENOMEM, -ENOSPC.
 */
int kallsyms_add_line(struct kallsyms *s, char *line);
/* After the last line: sorts.  -ENODATA when all addresses are 0 (kptr_restrict) or there are none. */
int kallsyms_finish(struct kallsyms *s);

/* Symbol that contains address; NULL when below the first, or farther behind the last than a function is long. */
const char *kallsyms_find(const struct kallsyms *s, uint64_t address, uint64_t *ret_offset, const char **ret_module);
/* Address of the first symbol of that name, 0 when there is none. */
uint64_t kallsyms_address(const struct kallsyms *s, const char *name);
size_t kallsyms_count(const struct kallsyms *s);
size_t kallsyms_bytes(const struct kallsyms *s);

#endif
