/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a collector and prints each record as one line, by the field tables:
 *	watch [-s SECONDS] [-k KIND,KIND] [-n] [-c KEY=VALUE]...
 * -k only these kinds; -n only states and books at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/timeutil.h"
#include "collect/cgroups.h"
#include "collect/collect.h"
#include "schema/kinds.h"

struct watch {
	const char *kinds; /* ",runq,lock," or NULL: all */
	bool quiet;
	uint64_t count[64];
};

static void print_value(const struct kw_field *f, const char *at)
{
	int64_t s64 = 0;
	uint64_t u64 = 0;

	switch (f->type) {
	case KW_TYPE_U16: case KW_TYPE_U32: case KW_TYPE_U64:
		memcpy(&u64, at, f->size);
		printf("%" PRIu64, u64);
		break;
	case KW_TYPE_S32: {
		int32_t s32;
		memcpy(&s32, at, sizeof(s32));
		printf("%d", s32);
		break;
	}
	case KW_TYPE_S64:
		memcpy(&s64, at, sizeof(s64));
		printf("%" PRId64, s64);
		break;
	case KW_TYPE_STR: {
		AUTO(strbuf) struct strbuf text = STRBUF_INIT, plain = STRBUF_INIT;
		strbuf_add(&text, at, strnlen(at, f->size));
		strbuf_add_plain(&plain, strbuf_str(&text));
		printf("\"%s\"", strbuf_str(&plain));
		break;
	}
	case KW_TYPE_CG: {
		struct kw_cg cg;
		memcpy(&cg, at, sizeof(cg));
		printf("%" PRIu64 "/%" PRIu64 ":%" PRIu64, (uint64_t)cg.v2, (uint64_t)cg.v1 >> 56,
		       (uint64_t)(cg.v1 & KW_CG_ID_MASK));
		break;
	}
	case KW_TYPE_ADDR:
		for (unsigned int i = 0; i < f->size; i++)
			printf("%02x", (unsigned char)at[i]);
		break;
	}
}

static void print_party(const char *name, const struct kw_party *p)
{
	if (!p->pid && !p->cg.v2 && !p->cg.v1)
		return;
	printf(" %s=%.16s:%u/%u@%" PRIu64 "/%" PRIu64 ":%" PRIu64, name, p->comm, p->pid, p->tid, (uint64_t)p->cg.v2,
	       (uint64_t)p->cg.v1 >> 56, (uint64_t)(p->cg.v1 & KW_CG_ID_MASK));
}

static bool chosen(const struct watch *w, const char *name)
{
	char pattern[64];

	if (!w->kinds)
		return true;
	snprintf(pattern, sizeof(pattern), ",%s,", name);
	return strstr(w->kinds, pattern) != NULL;
}

static int on_event(void *ctx, const struct kw_event *e)
{
	struct watch *w = ctx;
	const struct kw_kind_info *info = kw_kind_by_number(e->kind);
	const char *payload = (const char *)(e + 1);

	if (!info)
		return -EBADMSG;
	w->count[e->kind & 63]++;
	if (w->quiet || !chosen(w, info->name))
		return 0;
	printf("%.6f %s", e->ts_ns / 1e9, info->name);
	if (e->duration_ns)
		printf(" dur=%.3fms", e->duration_ns / 1e6);
	if (e->error)
		printf(" error=%d", e->error);
	if (e->flags)
		printf(" flags=%#x", e->flags);
	print_party("subject", &e->subject);
	print_party("peer", &e->peer);
	for (const struct kw_field *f = info->fields; f->name; f++) {
		printf(" %s=", f->name);
		if (f->type == KW_TYPE_STR && f->offset + f->size > e->payload_size) {
			struct kw_field cut = *f;
			cut.size = e->payload_size - f->offset; /* a stack's text is sent short */
			print_value(&cut, payload + f->offset);
		} else {
			print_value(f, payload + f->offset);
		}
	}
	if (e->stack)
		printf(" stack=%016" PRIx64, (uint64_t)e->stack);
	if (e->peer_stack)
		printf(" peer_stack=%016" PRIx64, (uint64_t)e->peer_stack);
	printf("\n");
	return 0;
}

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int run(const struct config *config, struct watch *w, int64_t span_ns)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	struct collect_options options = { .config = config, .fn = on_event, .ctx = w };
	struct collect *c;
	int64_t end;
	int r = collect_new(&options, &c, &text);

	if (r < 0) {
		fprintf(stderr, "watch: %s: %s\n", strerror(-r), strbuf_str(&text));
		return 1;
	}
	collect_describe(c, &text);
	fputs(strbuf_str(&text), stderr);
	for (end = time_boot_ns() + span_ns; !stop && time_boot_ns() < end; fflush(stdout))
		collect_poll(c, 200);
	for (size_t i = 0; kw_kind_at(i); i++)
		if (w->count[kw_kind_at(i)->number & 63])
			fprintf(stderr, "%-12s %" PRIu64 "\n", kw_kind_at(i)->name,
				w->count[kw_kind_at(i)->number & 63]);
	collect_free(c);
	return 0;
}

static int set(struct config *config, char *assignment)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	char *value = strchr(assignment, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (config_set(config, assignment, value, &error) == 0)
		return 0;
	fprintf(stderr, "watch: %s\n", strbuf_str(&error));
	return -EINVAL;
}

int main(int argc, char **argv)
{
	AUTO(strbuf) struct strbuf kinds = STRBUF_INIT;
	struct config *config = config_new();
	struct watch w = { 0 };
	int64_t span = 5 * NSEC_PER_SEC;
	int option, r;

	while ((option = getopt(argc, argv, "s:k:nc:")) != -1) {
		r = 0;
		if (option == 's')
			r = time_parse_span(optarg, &span);
		else if (option == 'k')
			strbuf_addf(&kinds, ",%s,", optarg);
		else if (option == 'n')
			w.quiet = true;
		else
			r = option == 'c' ? set(config, optarg) : -EINVAL;
		if (r < 0) {
			fprintf(stderr, "usage: watch [-s SPAN] [-k KIND,KIND] [-n] [-c KEY=VALUE]...\n");
			return 2;
		}
	}
	w.kinds = kinds.len ? strbuf_str(&kinds) : NULL;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	r = run(config, &w, span);
	config_free(config);
	return r;
}
