/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the running kernel: symbols, BTF enums, disks.  Read once; disks again when an unknown one shows up. */
#ifndef KWHY_COLLECT_KERNEL_H
#define KWHY_COLLECT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

struct kernel;

int kernel_new(struct kernel **ret_kernel);
void kernel_free(struct kernel *k);
/* Names of symbols and modules that were given out before may be gone after this, never sooner. */
void kernel_tick(struct kernel *k, uint64_t now_ns);

/* Symbol that contains address; *ret_offset is the distance from its start.  NULL when unknown (or kallsyms hidden). */
const char *kernel_symbol(const struct kernel *k, uint64_t address, uint64_t *ret_offset);
/*
 * Module that the symbol at address belongs to ("nf_tables", "bpf"); NULL for the kernel itself and unknown addresses.
 */
const char *kernel_module(const struct kernel *k, uint64_t address);
/* Address of a symbol or 0. */
uint64_t kernel_address(const struct kernel *k, const char *symbol);
/* Name of value in a kernel enum ("skb_drop_reason", 12); NULL when unknown. */
const char *kernel_enum_name(const struct kernel *k, const char *enum_name, int64_t value);
/* Disk name of major << 20 | minor ("vda", "loop0"), written to ret; "8:0" when unknown. */
void kernel_disk_name(const struct kernel *k, uint32_t dev, char *ret, size_t size);

#endif
