/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/stacks.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "schema/kinds.h"

/* Set-associative with least recent use inside a set: bounded, no pointers, 4096 stacks in 96 KiB. */
#define SETS 1024
#define WAYS 4

struct way {
	uint64_t frames_hash; /* of the addresses; 0 empty */
	uint64_t text_hash;
	uint64_t used;
};

struct stacks {
	const struct kernel *kernel;
	stacks_emit_fn emit;
	void *emit_ctx;
	uint64_t clock;
	struct strbuf text;
	struct way ways[SETS][WAYS];
};

struct stacks *stacks_new(const struct kernel *kernel, stacks_emit_fn emit, void *emit_ctx)
{
	struct stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->kernel = kernel;
	s->emit = emit;
	s->emit_ctx = emit_ctx;
	return s;
}

void stacks_free(struct stacks *s)
{
	if (!s)
		return;
	strbuf_cleanup(&s->text);
	free(s);
}

void stacks_text(const struct kernel *kernel, const uint64_t *frames, unsigned int count, size_t max,
		 struct strbuf *out)
{
	char line[320];

	for (unsigned int i = 0; i < count; i++) {
		uint64_t offset = 0;
		const char *symbol = kernel_symbol(kernel, frames[i], &offset);
		const char *module = symbol ? kernel_module(kernel, frames[i]) : NULL;
		int n;

		/*
		 * An address would tell where the kernel lies and differ on every boot: unknown frames stay nameless.
		 */
		if (!symbol)
			n = snprintf(line, sizeof(line), "[unknown]\n");
		else if (module)
			n = snprintf(line, sizeof(line), "%.250s+0x%llx [%.32s]\n", symbol, (unsigned long long)offset,
				     module);
		else
			n = snprintf(line, sizeof(line), "%.250s+0x%llx\n", symbol, (unsigned long long)offset);
		if (out->len + n > max)
			return;
		strbuf_add(out, line, n);
	}
}

unsigned int stacks_skip(const struct kernel *kernel, const uint64_t *frames, unsigned int count)
{
	static const char *const prefixes[] = { "bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_",
						"bpf_trampoline_" };
	unsigned int skip = 0;

	while (skip < count) {
		const char *symbol = kernel_symbol(kernel, frames[skip], NULL);
		bool tracing = false;

		for (size_t i = 0; symbol && i < ARRAY_SIZE(prefixes); i++)
			tracing |= !strncmp(symbol, prefixes[i], strlen(prefixes[i]));
		if (!tracing)
			break;
		skip++;
	}
	return skip < count ? skip : 0;
}

static void announce(struct stacks *s, uint64_t hash, uint64_t ts_ns)
{
	struct {
		struct kw_event e;
		struct kw_stack p;
	} record = { .e = { .kind = KW_KIND_stack, .ts_ns = ts_ns }, .p = { .hash = hash } };

	memcpy(record.p.text, strbuf_str(&s->text), s->text.len);
	record.e.payload_size = offsetof(struct kw_stack, text) + s->text.len + 1;
	s->emit(s->emit_ctx, &record.e);
}

uint64_t stacks_intern(struct stacks *s, const uint64_t *frames, unsigned int count, uint64_t ts_ns)
{
	uint64_t hash = hash_bytes(frames, count * sizeof(*frames), 0);
	struct way *set = s->ways[hash % SETS], *oldest = set;

	if (!count)
		return 0;
	s->clock++;
	for (unsigned int i = 0; i < WAYS; i++) {
		if (set[i].used && set[i].frames_hash == hash) {
			set[i].used = s->clock;
			return set[i].text_hash;
		}
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	strbuf_reset(&s->text);
	stacks_text(s->kernel, frames, count, sizeof(((struct kw_stack *)0)->text) - 1, &s->text);
	if (strbuf_error(&s->text))
		return 0;
	*oldest = (struct way){ .frames_hash = hash, .used = s->clock };
	oldest->text_hash = hash_bytes(strbuf_str(&s->text), s->text.len, 0);
	if (!oldest->text_hash)
		oldest->text_hash = 1; /* 0 means none */
	announce(s, oldest->text_hash, ts_ns);
	return oldest->text_hash;
}
