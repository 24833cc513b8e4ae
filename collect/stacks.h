/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks by content: turned into text once, announced before first use, known hashes kept in a bounded cache. */
#ifndef KWHY_COLLECT_STACKS_H
#define KWHY_COLLECT_STACKS_H

#include <stdint.h>

#include "base/strbuf.h"
#include "collect/kernel.h"
#include "schema/event.h"

struct stacks;

typedef int (*stacks_emit_fn)(void *ctx, const struct kw_event *event);

struct stacks *stacks_new(const struct kernel *kernel, stacks_emit_fn emit, void *emit_ctx); /* NULL: out of memory */
void stacks_free(struct stacks *s);

/*
 * Content hash of the frames (innermost first); 0 when count is 0.  The hash is that of the text, so it is the same on
 * every boot of the same kernel.  Emits a "stack" record before a hash is first returned, and again when it had been
 * forgotten since, so a consumer sees it at least once.
 */
uint64_t stacks_intern(struct stacks *s, const uint64_t *frames, unsigned int count, uint64_t ts_ns);

/*
 * The same for the frames of a task in user mode: file and offset of each, as far as they are known by then.  So
 * stacks_want_user() comes first, while the process still is there, and stacks_settle_user() before the stacks of a
 * tick are named.  A tick may add STACKS_USER_NEW texts of that detail; beyond, only the files are named, so that a
 * host with many different stacks does not fill the store with them.
 */
#define STACKS_USER_NEW 32
void stacks_want_user(struct stacks *s, const struct kw_party *task, const uint64_t *frames, unsigned int count,
		      uint64_t ts_ns);
void stacks_settle_user(struct stacks *s);
uint64_t stacks_intern_user(struct stacks *s, uint32_t pid, const uint64_t *frames, unsigned int count, uint64_t ts_ns);

/*
 * How many of the first frames only show that somebody is tracing (the BPF program itself, bpf_trace_run, the
 * tracepoint's trampoline): to be left out, so that the first frame is where the kernel was.
 */
unsigned int stacks_skip(const struct kernel *kernel, const uint64_t *frames, unsigned int count);

/* One frame a line, "symbol+0xoffset [module]"; whole lines only, at most max bytes. */
void stacks_text(const struct kernel *kernel, const uint64_t *frames, unsigned int count, size_t max,
		 struct strbuf *out);

#endif
