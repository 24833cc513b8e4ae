/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "collect/kernel.h"
#include "collect/probe.h"
#include "collect/waitclass.h"

static const struct attach_choice hooks[] = {
	{ "begin", "lock_wait_begin", true, 
	  "waits for kernel locks, their holders, writers held back by a frozen file system" },
	{ "end", "lock_wait_end", true, "waits for kernel locks that are over" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_lock, 0 };

/*
 * A lock in static memory has a symbol where the kernel lists data (KALLSYMS_ALL); any other is named by who wanted it.
 * An address that only lies somewhere behind a symbol is no name.
 */
static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	const char *symbols[WAIT_FRAMES_MAX];
	struct kw_lock *p = payload;
	unsigned int n = wait_symbols(kernel, stack, symbols);
	uint64_t offset = 1;
	const char *name = kernel_symbol(kernel, p->address, &offset);

	(void)event;
	(void)peer_stack;
	wait_name(wait_place(symbols, n), p->place, sizeof(p->place));
	p->name[sizeof(p->name) - 1] = '\0';
	if (p->name[0])
		return 0;
	if (name && offset == 0)
		wait_name(name, p->name, sizeof(p->name));
	else
		snprintf(p->name, sizeof(p->name), "%.*s", (int)sizeof(p->place), p->place);
	return 0;
}

const struct probe probe_lock = {
	.name = "lock",
	.title = "Waits for kernel locks, with the holder and where it was",
	.cost = "contention_begin and _end: only under contention; 60 ns a spin lock, 0.3 us a sleeping one, 2 us for "
		"the holder's stack, at most 50 a second and CPU",
	.causes = "lock.kernel,lock.mmap,lock.inode,lock.spin,fs.frozen",
	.object = "lock",
	.scanner = "scan",
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
