/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/stacks.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "collect/usermaps.h"
#include "schema/kinds.h"

/* Set-associative with least recent use inside a set: bounded, no pointers, 1536 stacks in 36 KiB. */
#define SETS 384
#define WAYS 4
#define USER_WAIT_MS 5 /* for the maps of who was sampled just before the tick */
#define STACK_TEXT_MAX (sizeof(((struct kw_stack *)0)->text) - 1)

struct way {
	uint64_t frames_hash; /* of the addresses; 0 empty */
	uint64_t text_hash;
	uint64_t used;
};

struct stacks {
	const struct kernel *kernel;
	stacks_emit_fn emit;
	void *emit_ctx;
	struct usermaps *maps;
	uint64_t clock;
	unsigned int user_new; /* texts of user stacks in this tick */
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
	s->maps = usermaps_new("/proc");
	if (!s->maps) {
		stacks_free(s);
		return NULL;
	}
	return s;
}

void stacks_free(struct stacks *s)
{
	if (!s)
		return;
	usermaps_free(s->maps);
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

/* The place of a hash: its own when known, else the one to be given up. */
static struct way *find_way(struct stacks *s, uint64_t hash)
{
	struct way *set = s->ways[hash % SETS], *oldest = set;

	s->clock++;
	for (unsigned int i = 0; i < WAYS; i++) {
		if (set[i].used && set[i].frames_hash == hash) {
			set[i].used = s->clock;
			return &set[i];
		}
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	oldest->used = 0;
	return oldest;
}

/* Announces the text made; its hash, 0 when there was no memory for it. */
static uint64_t announce_text(struct stacks *s, uint64_t ts_ns)
{
	uint64_t hash;

	if (strbuf_error(&s->text))
		return 0;
	hash = hash_bytes(strbuf_str(&s->text), s->text.len, 0);
	if (!hash)
		hash = 1; /* 0 means none */
	announce(s, hash, ts_ns);
	return hash;
}

uint64_t stacks_intern(struct stacks *s, const uint64_t *frames, unsigned int count, uint64_t ts_ns)
{
	uint64_t hash = hash_bytes(frames, count * sizeof(*frames), 0);
	struct way *way;

	if (!count)
		return 0;
	way = find_way(s, hash);
	if (way->used)
		return way->text_hash;
	strbuf_reset(&s->text);
	stacks_text(s->kernel, frames, count, STACK_TEXT_MAX, &s->text);
	*way = (struct way){ .frames_hash = hash, .text_hash = announce_text(s, ts_ns) };
	way->used = way->text_hash ? s->clock : 0;
	return way->text_hash;
}

/* Whether a frame further in of the same file has said its build id already. */
static bool is_said(const struct user_frame *frames, unsigned int i)
{
	for (unsigned int k = 0; k < i; k++)
		if (!strcmp(frames[k].build_id, frames[i].build_id))
			return true;
	return false;
}

/* files_only: without offsets, and one line for calls within a file. */
static void user_text(const struct user_frame *frames, unsigned int count, bool files_only, struct strbuf *out)
{
	char line[USERMAPS_NAME_MAX + ELFSYMS_NAME_MAX + ELFSYMS_BUILD_ID_MAX + 32];

	for (unsigned int i = 0; i < count; i++) {
		const struct user_frame *f = &frames[i];
		int n;

		if (files_only && i && !strcmp(f->name, frames[i - 1].name))
			continue;
		if (files_only || !f->offset)
			n = snprintf(line, sizeof(line), "%s\n", f->name);
		else if (f->function[0])
			n = snprintf(line, sizeof(line), "%s+0x%llx [%s]\n", f->function, (unsigned long long)f->into, f->name);
		else if (!f->build_id[0] || is_said(frames, i))
			n = snprintf(line, sizeof(line), "%s+0x%llx\n", f->name, (unsigned long long)f->offset);
		else
			n = snprintf(line, sizeof(line), "%s+0x%llx (%s)\n", f->name, (unsigned long long)f->offset, f->build_id);
		if (out->len + n > STACK_TEXT_MAX)
			return;
		strbuf_add(out, line, n);
	}
}

void stacks_want_user(struct stacks *s, const struct kw_party *task, const uint64_t *frames, unsigned int count,
		      uint64_t ts_ns)
{
	if (count)
		usermaps_want(s->maps, task, ts_ns, frames, count);
}

void stacks_settle_user(struct stacks *s)
{
	usermaps_wait(s->maps, USER_WAIT_MS);
	usermaps_tick(s->maps);
	s->user_new = 0;
}

static bool any_known(const struct user_frame *frames, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (strcmp(frames[i].name, USERMAPS_UNKNOWN) != 0)
			return true;
	return false;
}

uint64_t stacks_intern_user(struct stacks *s, uint32_t pid, const uint64_t *frames, unsigned int count, uint64_t ts_ns)
{
	uint64_t hash = hash_bytes(frames, count * sizeof(*frames), hash_bytes(&pid, sizeof(pid), 1));
	struct user_frame named[KW_STACK_FRAMES_MAX];
	struct way *way;
	bool full;

	if (!count || count > KW_STACK_FRAMES_MAX)
		return 0;
	way = find_way(s, hash);
	if (way->used)
		return way->text_hash;
	usermaps_resolve(s->maps, pid, frames, count, named);
	full = s->user_new < STACKS_USER_NEW && any_known(named, count);
	/* Code without frame pointers leads the kernel's walk astray: what it then took for callers is no code. */
	while (count > 1 && !strcmp(named[count - 1].name, USERMAPS_UNKNOWN))
		count--;
	strbuf_reset(&s->text);
	user_text(named, count, !full, &s->text);
	if (!full)
		return announce_text(s, ts_ns); /* not to be remembered: it can be told better another time */
	s->user_new++;
	*way = (struct way){ .frames_hash = hash, .text_hash = announce_text(s, ts_ns) };
	way->used = way->text_hash ? s->clock : 0;
	return way->text_hash;
}
