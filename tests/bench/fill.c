/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench DIR ROWS [REPORT.json COUNT]: a state directory that looks as if a busy host had been watched for so long that
 * ROWS records were stored, ending now: written by the code that writes a real one.  Like a real one it holds a row for
 * ten seconds of what was sampled, and every second of the last ten minutes.  The report is put in COUNT times, over
 * that time, under other ids.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "aggregate/record.h"
#include "analyze/reports.h"
#include "base/timeutil.h"
#include "base/ulid.h"

#define BOOT_ID "11111111-2222-3333-4444-555555555555"
#define CONTAINERS 24
#define ROWS_A_SECOND 83 /* what the mix below comes to */
#define DETAIL_SECONDS 600
#define FOLDED 10
#define CHURN 60 /* seconds between two short-lived containers */
#define STACKS 200
#define BOOT_NS (1000 * NSEC_PER_SEC) /* the clock of the records begins here */

#define PROBE(name) #name,
#define SAMPLER(name) #name,
static const char *const probe_names[] = {
#include "collect/probes.def"
#include "collect/samplers.def"
};

/* Of a hundred events so many are of this kind; what is left is of any. */
static const struct {
	unsigned int kind, percent;
} usual_kinds[] = {
	{ KW_KIND_runq, 50 }, { KW_KIND_block, 10 }, { KW_KIND_offcpu, 8 }, { KW_KIND_lock, 6 }, { KW_KIND_drop, 6 },
	{ KW_KIND_fsync, 4 }, { KW_KIND_blocked, 4 }, { KW_KIND_retransmit, 3 },
};

struct fill {
	struct aggregate *a;
	union record record;
	uint64_t now_ns, seed;
	int64_t offset_ns; /* wall minus boot */
	unsigned int made;
};

static uint64_t draw(struct fill *f, uint64_t below)
{
	f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (f->seed >> 33) % below;
}

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static struct kw_party party(struct fill *f)
{
	uint64_t n = draw(f, CONTAINERS);
	struct kw_party p = { .cg.v2 = 100 + n, .start_ns = 1 + n };

	p.pid = p.tid = (__u32)(1000 + n * 10 + draw(f, 4));
	snprintf(p.comm, sizeof(p.comm), "task%u", p.pid % 50);
	return p;
}

/* The record to be sent next; its payload is empty. */
static void *begin(struct fill *f, unsigned int kind, uint64_t after_ns)
{
	struct kw_event *e = &f->record.event;

	memset(&f->record, 0, sizeof(*e) + kw_kind_by_number(kind)->payload_size);
	e->kind = (__u16)kind;
	e->payload_size = (__u16)kw_kind_by_number(kind)->payload_size;
	e->ts_ns = f->now_ns + after_ns;
	return e + 1;
}

static void send(struct fill *f)
{
	if (aggregate_event(f->a, &f->record.event))
		die("a record was refused, or cannot be stored");
}

/* Any kind, filled in by its table of fields. */
static void fill_payload(struct fill *f, const struct kw_kind_info *info, unsigned char *payload)
{
	for (const struct kw_field *field = info->fields; field->name; field++) {
		unsigned char *at = payload + field->offset;
		uint64_t number = field->unit == KW_UNIT_NS ? draw(f, 30 * NSEC_PER_MSEC) : draw(f, 6);

		if (field->type == KW_TYPE_STR)
			snprintf((char *)at, field->size, "%.*s%u", field->size > 8 ? 5 : 1, field->name,
				 (unsigned int)draw(f, 5));
		else if (field->type == KW_TYPE_CG)
			((struct kw_cg *)at)->v2 = 100 + draw(f, CONTAINERS);
		else
			memcpy(at, &number, field->size < 8 ? field->size : 8);
	}
}

static const struct kw_kind_info *any_kind(struct fill *f)
{
	uint64_t percent = draw(f, 100);
	const struct kw_kind_info *info;
	size_t i = 0;

	for (; i < ARRAY_SIZE(usual_kinds); i++) {
		if (percent < usual_kinds[i].percent)
			return kw_kind_by_number(usual_kinds[i].kind);
		percent -= usual_kinds[i].percent;
	}
	do
		info = kw_kind_at(draw(f, 50));
	while (!info || info->class != KW_CLASS_CONTEXT);
	return info;
}

static void send_event(struct fill *f, uint64_t after_ns)
{
	const struct kw_kind_info *info = any_kind(f);
	void *payload = begin(f, info->number, after_ns);
	struct kw_event *e = &f->record.event;

	e->duration_ns = 5 * NSEC_PER_MSEC + draw(f, 40 * NSEC_PER_MSEC);
	e->subject = party(f);
	e->peer = party(f);
	e->stack = 1 + draw(f, STACKS);
	fill_payload(f, info, payload);
	send(f);
}

static void send_cgroup(struct fill *f, unsigned int op, uint64_t id, const char *path)
{
	struct kw_cgroup *c = begin(f, KW_KIND_cgroup, 0);

	c->op = op;
	c->id = id;
	f->record.event.subject.cg.v2 = id;
	snprintf(c->path, sizeof(c->path), "%s", path);
	send(f);
}

static void send_stacks(struct fill *f)
{
	for (unsigned int i = 1; i <= STACKS; i++) {
		struct kw_stack *s = begin(f, KW_KIND_stack, 0);

		s->hash = i;
		snprintf(s->text, sizeof(s->text), "function%u+0x%x\nschedule+0x40\ndo_syscall_64+0x50", i % 40, i);
		send(f);
	}
}

/* A sum or a sample of that container over span_ns: what is made is made up, but all of it is there. */
static void send_sample(struct fill *f, unsigned int kind, unsigned int container, uint64_t span_ns, uint64_t after_ns)
{
	unsigned char *payload = begin(f, kind, after_ns);

	fill_payload(f, kw_kind_by_number(kind), payload);
	memcpy(payload, &span_ns, sizeof(span_ns)); /* the first field of every sample */
	f->record.event.subject = (struct kw_party){ .cg.v2 = 100 + container };
	if (kind == KW_KIND_wait)
		((struct kw_wait *)payload)->reason = (__u32)(KW_WAIT_CPU + draw(f, KW_WAIT_MAX - KW_WAIT_CPU));
	if (kind == KW_KIND_blame) {
		((struct kw_blame *)payload)->resource = (__u32)(KW_RES_CPU + draw(f, 8));
		((struct kw_blame *)payload)->sink = (__u32)draw(f, 2);
		f->record.event.peer = party(f);
	}
	send(f);
}

static void send_samples(struct fill *f, uint64_t span_ns)
{
	static const unsigned int kinds[] = { KW_KIND_usage, KW_KIND_pressure, KW_KIND_wait, KW_KIND_wait,  KW_KIND_wait,
					      KW_KIND_blame, KW_KIND_blame,    KW_KIND_blame, KW_KIND_tally, KW_KIND_profile };

	for (unsigned int c = 0; c < CONTAINERS; c++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			send_sample(f, kinds[k], c, span_ns, NSEC_PER_SEC / 2 + c * 1000 + k);
}

static void send_books(struct fill *f, uint64_t seq)
{
	for (size_t i = 0; i < ARRAY_SIZE(probe_names); i++) {
		struct kw_probe *p = begin(f, KW_KIND_probe, NSEC_PER_SEC - 1000 + i);

		p->state = 1;
		p->emitted = p->stored = 100 * seq;
		snprintf(p->name, sizeof(p->name), "%s", probe_names[i]);
		snprintf(p->attach, sizeof(p->attach), "tp_btf/something");
		send(f);
	}
}

static void send_tick(struct fill *f, uint64_t seq)
{
	*(struct kw_tick *)begin(f, KW_KIND_tick, NSEC_PER_SEC) = (struct kw_tick){
		.seq = seq, .wall_ns = f->offset_ns, .bpf = 1, .started_ns = BOOT_NS, .emitted = 1000 * seq, .stored = 1000 * seq
	};
	send(f);
}

static void churn(struct fill *f)
{
	char path[64];

	if (f->made) {
		snprintf(path, sizeof(path), "/test/job%u", f->made);
		send_cgroup(f, 3, 1000 + f->made, path);
	}
	f->made++;
	snprintf(path, sizeof(path), "/test/job%u", f->made);
	send_cgroup(f, 2, 1000 + f->made, path);
}

static void second(struct fill *f, uint64_t seq, bool detail)
{
	if (seq % CHURN == 0)
		churn(f);
	for (unsigned int i = 0; i < 12; i++)
		send_event(f, (i + 1) * NSEC_PER_SEC / 20 + draw(f, 1000000));
	for (unsigned int i = 0; i < 6; i++)
		send_sample(f, KW_KIND_netstat, i, NSEC_PER_SEC, NSEC_PER_SEC / 2 + i);
	send_sample(f, KW_KIND_host, 0, NSEC_PER_SEC, NSEC_PER_SEC / 2);
	if (detail || seq % FOLDED == 0)
		send_samples(f, detail ? NSEC_PER_SEC : FOLDED * NSEC_PER_SEC);
	send_books(f, seq);
	send_tick(f, seq);
	f->now_ns += NSEC_PER_SEC;
}

static void open_store(struct fill *f, const char *dir, struct config *config)
{
	static const char *const settings[][2] = { { "store.max_size", "64G" }, { "store.max_age", "365d" },
						   { "store.detail", "0" } };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (config_set(config, settings[i][0], settings[i][1], &error))
			die(strbuf_str(&error));
	if (aggregate_new(dir, config, BOOT_ID, &f->a, &error))
		die(strbuf_str(&error));
}

static uint64_t fill_store(struct fill *f, uint64_t seconds)
{
	char path[64];
	struct aggregate_stats stats;

	f->now_ns = BOOT_NS;
	f->offset_ns = time_wall_ns() - (int64_t)(BOOT_NS + seconds * NSEC_PER_SEC);
	send_tick(f, 0);
	f->now_ns += NSEC_PER_SEC;
	for (unsigned int c = 0; c < CONTAINERS; c++) {
		snprintf(path, sizeof(path), "/test/service%u", c);
		send_cgroup(f, 2, 100 + c, path);
	}
	send_stacks(f);
	for (uint64_t seq = 1; seq < seconds; seq++)
		second(f, seq, seq + DETAIL_SECONDS >= seconds);
	aggregate_stats(f->a, &stats);
	return stats.stored;
}

/* ---- incidents ------------------------------------------------------------------------------------------- */

static void set_ns(json_t *object, const char *key, int64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, ns);
	json_object_set_new(object, key, json_string(text));
}

static void put_reports(const char *dir, const char *file, unsigned int count, int64_t span_ns)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	json_t *report = json_load_file(file, 0, NULL), *window = json_object_get(report, "window");
	int64_t now = time_wall_ns();
	struct reports *reports;
	char id[ULID_LEN + 1];

	if (!window || reports_open(dir, &reports, &error))
		die(window ? strbuf_str(&error) : "that is no report");
	json_object_set_new(report, "status", json_string("resolved"));
	for (unsigned int i = 0; i < count; i++) {
		int64_t at = now - span_ns + span_ns / count * i;

		ulid_format((uint64_t)(at / NSEC_PER_MSEC), (uint8_t[10]){ (uint8_t)(i >> 8), (uint8_t)i }, id);
		json_object_set_new(report, "id", json_string(id));
		set_ns(report, "created_ns", at);
		set_ns(window, "onset_ns", at);
		set_ns(window, "detected_ns", at + NSEC_PER_SEC);
		set_ns(window, "end_ns", at + 9 * NSEC_PER_SEC);
		set_ns(window, "to_ns", at + 9 * NSEC_PER_SEC);
		if (reports_put(reports, report))
			die("a report cannot be stored");
	}
	reports_free(reports);
	json_decref(report);
}

int main(int argc, char **argv)
{
	static struct fill f = { .seed = 1 };
	int64_t rows, count = 0;
	uint64_t seconds;

	if ((argc != 3 && argc != 5) || int_parse(argv[2], &rows) || rows < 1 || (argc == 5 && int_parse(argv[4], &count)))
		die("bench DIR ROWS [REPORT.json COUNT]");
	seconds = (uint64_t)rows / ROWS_A_SECOND + 2;
	open_store(&f, argv[1], config_new());
	printf("%" PRIu64 " rows of %" PRIu64 " s\n", fill_store(&f, seconds), seconds);
	aggregate_free(f.a);
	if (count)
		put_reports(argv[1], argv[3], (unsigned int)count, (int64_t)seconds * NSEC_PER_SEC);
	return 0;
}
