/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe as data: what it watches, where it hooks, what it costs, which
 * diagnoses are lost without it.  The generic runner (collect/objects_run.c)
 * does everything else.
 *
 * One line in collect/probes.def registers a probe; its descriptor
 * "probe_<name>" lives in collect/probe_<name>.c.
 */
#ifndef KWHY_COLLECT_PROBE_H
#define KWHY_COLLECT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/kinds.h"

struct config;
struct kernel; /* collect/kernel.h: kallsyms, BTF enum names, device names of the running kernel */

/*
 * One way to attach.  A hook is a point a probe needs ("switch", "issue"); choices of the same hook are tried in the
 * order of the table until one attaches.  required: without any working choice of that hook the probe has failed;
 * otherwise it is degraded.
 */
struct attach_choice {
	const char *hook;
	const char *program; /* function name in the object; its SEC() says the type */
	bool required;
	/*
	 * With the first choice: what is missing when none of this hook works.  A hook that is not required and has
	 * NULL there may be absent without the probe being degraded (a file system that this host does not have).
	 * With the others: what is missing when it comes down to this one; NULL: nothing.
	 */
	const char *lost;
};

struct probe {
	const char *name;   /* as in settings and `kwhy probes` */
	const char *title;  /* one sentence */
	const char *cost;   /* hook, expected rate, ns a hit */
	const char *causes; /* cause codes that need it, separated by commas */
	const char *object; /* bpf/<object>.bpf.c; several probes may share one (hot hooks) */
	bool windowed; /* attached for a short while after some ticks only, but for iterators: objects_window() */
	const char *briefly; /* a program that is detached after a second or two, having learned what it has to; NULL: none */
	/* Of a windowed one: whether this record asks for further windows, one after each tick.  NULL: none does. */
	bool (*look_again)(const struct kw_event *event, const void *payload);
	const struct attach_choice *attach; /* ends with hook NULL; NULL: the probe only reads maps or polls */
	const uint16_t *kinds;              /* event kinds it emits, ends with 0 */
	const char *plain_lost; /* what it costs to do with the plain object (bpf/plain.bpf.h); NULL: nothing */
	bool essential;      /* nothing has a name without it: never held back for what it costs */
	bool by_device; /* payloads begin with a device's number: what is no process's is about who has it mounted alone */
	const char *scanner; /* object with handlers for its unfinished waits, loaded anew with its own; NULL: none */
	/*
	 * Its records are samples: those of a tick that are alike in process and stacks go out as one row.  The payload
	 * is of u64 only: first span_ns, which the row gets, then numbers that are added.
	 */
	bool folded;
	/* Completes a record in place (names an enum, a symbol, a class) before its frames are dropped; NULL if none.
	 * frames: symbolised through kernel.h.  0, or -EBADMSG to refuse the record. */
	int (*refine)(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		      const uint64_t *peer_stack);
};

extern const struct probe *const probes[]; /* ends with NULL; from probes.def */

#endif
