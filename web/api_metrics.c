/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics in the Prometheus text format 0.0.4, or OpenMetrics 1.0 when the client accepts it.  The two differ in how
 * the family of a counter is named (without "_total" in OpenMetrics) and in the final "# EOF".
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "analyze/reports.h"
#include "base/timeutil.h"
#include "web/html.h"
#include "web/lists.h"
#include "web/routes.h"
#include "web/rows.h"

/* Series per container are bounded: the ones that waited most. */
#define CONTAINER_SERIES_MAX 200

struct metrics {
	struct strbuf *out;
	bool open;
};

enum metric_type { GAUGE, COUNTER };

/* name without "_total". */
static void family(const struct metrics *m, const char *name, enum metric_type type, const char *help)
{
	const char *suffix = type == COUNTER && !m->open ? "_total" : "";

	strbuf_addf(m->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
		    type == COUNTER ? "counter" : "gauge");
}

static void label_value(struct strbuf *b, const char *value)
{
	AUTO(strbuf) struct strbuf plain = STRBUF_INIT;

	strbuf_add_plain(&plain, value);
	for (const char *c = strbuf_str(&plain); *c; c++) {
		if (*c == '"' || *c == '\\')
			strbuf_addch(b, '\\');
		strbuf_addch(b, *c);
	}
}

/* label NULL: none. */
static void sample(const struct metrics *m, const char *name, const char *label, const char *value, double number)
{
	strbuf_addstr(m->out, name);
	if (label) {
		strbuf_addf(m->out, "{%s=\"", label);
		label_value(m->out, value);
		strbuf_addstr(m->out, "\"}");
	}
	strbuf_addf(m->out, " %.17g\n", number);
}

static void probe_family(const struct metrics *m, const json_t *rows, const char *name, const char *key, double scale,
			 const char *help)
{
	char total[64];
	json_t *row;
	size_t i;

	family(m, name, COUNTER, help);
	snprintf(total, sizeof(total), "%s_total", name);
	json_array_foreach ((json_t *)rows, i, row)
		sample(m, total, "probe", value_text(row, "probe"), (double)value_int(row, key, 0) * scale);
}

static bool is_held_back(const char *state)
{
	return !strcmp(state, "raised") || !strcmp(state, "sampled");
}

static void probe_metrics(const struct metrics *m, struct reader *r)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	size_t i;

	if (list_probes(r, &rows, &err) < 0)
		return;
	probe_family(m, rows, "kwhy_events_emitted", "emitted", 1,
		     "Records past the threshold that a probe tried to send.");
	probe_family(m, rows, "kwhy_events_stored", "stored", 1, "Records that reached user space.");
	probe_family(m, rows, "kwhy_events_lost_ring", "lost_ring", 1,
		     "Records lost because the ring buffer was full.");
	probe_family(m, rows, "kwhy_events_lost_other", "lost_other", 1, "Records lost for another reason.");
	probe_family(m, rows, "kwhy_events_suppressed", "suppressed", 1, "Records held back by the rate limit.");
	probe_family(m, rows, "kwhy_probe_run_seconds", "run_ns", 1e-9, "Kernel time of the programs of a probe.");
	family(m, "kwhy_probe_up", GAUGE, "1 attached, 0.5 degraded or held back for its cost, 0 failed, detached or off.");
	json_array_foreach (rows, i, row) {
		const char *state = value_text(row, "state");

		sample(m, "kwhy_probe_up", "probe", value_text(row, "probe"),
		       !strcmp(state, "attached")				? 1
		       : !strcmp(state, "degraded") || is_held_back(state) ? 0.5
									: 0);
	}
	family(m, "kwhy_probe_cost_ratio", GAUGE, "Kernel time of a probe in the last window measured, in CPUs.");
	json_array_foreach (rows, i, row)
		sample(m, "kwhy_probe_cost_ratio", "probe", value_text(row, "probe"),
		       (double)value_int(row, "cost_ppm", 0) * 1e-6);
	json_decref(rows);
}

static void tick_metrics(const struct metrics *m, struct reader *r, int64_t now_ns)
{
	json_t *readiness = list_readiness(r, now_ns);
	const json_t *tick = json_object_get(readiness, "tick");

	family(m, "kwhy_ready", GAUGE, "1 when /readyz would say so.");
	sample(m, "kwhy_ready", NULL, NULL, json_is_true(json_object_get(readiness, "ready")));
	family(m, "kwhy_switched_off", GAUGE, "1 while everything is switched off (kwhy off).");
	sample(m, "kwhy_switched_off", NULL, NULL, (double)value_int(tick, "off", 0));
	family(m, "kwhy_ticks", COUNTER, "Heartbeats of the collector since it started.");
	sample(m, "kwhy_ticks_total", NULL, NULL, (double)value_int(tick, "seq", 0));
	family(m, "kwhy_records_emitted", COUNTER, "Records produced since the collector started.");
	sample(m, "kwhy_records_emitted_total", NULL, NULL, (double)value_int(tick, "emitted", 0));
	family(m, "kwhy_records_stored", COUNTER, "Records handed to the store since the collector started.");
	sample(m, "kwhy_records_stored_total", NULL, NULL, (double)value_int(tick, "stored", 0));
	family(m, "kwhy_records_lost", COUNTER, "Records lost for any reason since the collector started.");
	sample(m, "kwhy_records_lost_total", NULL, NULL, (double)value_int(tick, "lost", 0));
	json_decref(readiness);
}

static int count_severity(void *ctx, const json_t *report)
{
	int64_t *counts = ctx;
	const char *severity = value_text(report, "severity");

	counts[!strcmp(severity, "critical") ? 2 : !strcmp(severity, "warning") ? 1 : 0]++;
	return 0;
}

static void incident_metrics(const struct metrics *m, struct reader *r)
{
	static const char *const names[] = { "info", "warning", "critical" };
	const struct incident_filter filter = { .status = "open", .brief = true };
	int64_t counts[3] = { 0 };

	if (reader_select_reports(r) >= 0)
		reports_each(r, &filter, count_severity, counts);
	family(m, "kwhy_incidents_open", GAUGE, "Open incidents.");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		sample(m, "kwhy_incidents_open", "severity", names[i], (double)counts[i]);
}

static void wait_sample(const struct metrics *m, const json_t *row)
{
	strbuf_addstr(m->out, "kwhy_container_wait_seconds{container=\"");
	label_value(m->out, container_label(row));
	strbuf_addstr(m->out, "\",reason=\"");
	label_value(m->out, value_text(row, "reason"));
	strbuf_addf(m->out, "\"} %.9g\n", (double)value_int(row, "wait_ns", 0) * 1e-9);
}

static void wait_metrics(const struct metrics *m, struct reader *r)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *rows = NULL, *row;
	size_t i;

	if (list_waits(r, 60 * NSEC_PER_SEC, &rows, &err) < 0)
		return;
	family(m, "kwhy_container_wait_seconds", GAUGE,
	       "Time that tasks of a container waited during the last minute, by reason.");
	json_array_foreach (rows, i, row) {
		if (i == CONTAINER_SERIES_MAX)
			break;
		wait_sample(m, row);
	}
	json_decref(rows);
}

static void server_metrics(const struct metrics *m, const struct web *web)
{
	char class[4] = "0xx";

	family(m, "kwhy_build_info", GAUGE, "Version of the program.");
	sample(m, "kwhy_build_info", "version", KWHY_VERSION, 1);
	family(m, "kwhy_http_responses", COUNTER, "Answers by class of status.");
	for (unsigned int i = 1; i <= 5; i++) {
		class[0] = (char)('0' + i);
		sample(m, "kwhy_http_responses_total", "status", class, (double)web_responses(web, i));
	}
	family(m, "kwhy_server_start_time_seconds", GAUGE, "When the server started, seconds since 1970.");
	sample(m, "kwhy_server_start_time_seconds", NULL, NULL, (double)web_started_ns(web) * 1e-9);
}

/* The shards are files; what they weigh needs no query. */
static void store_metrics(const struct metrics *m, const struct web *web)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	double bytes = 0, shards = 0;
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	strbuf_addf(&path, "%s/events", web_options(web)->state_dir);
	dir = opendir(strbuf_str(&path));
	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		bytes += (double)st.st_size;
		shards += dot && !strcmp(dot, ".db");
	}
	if (dir)
		closedir(dir);
	family(m, "kwhy_store_bytes", GAUGE, "Size of the event store.");
	sample(m, "kwhy_store_bytes", NULL, NULL, bytes);
	family(m, "kwhy_store_shards", GAUGE, "Shards of the event store.");
	sample(m, "kwhy_store_shards", NULL, NULL, shards);
}

int api_metrics(const struct http_request *req, struct http_response *res)
{
	const struct metrics m = {
		.out = &res->body,
		.open = req->accept && strstr(req->accept, "application/openmetrics-text"),
	};
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct reader *reader;

	res->type = m.open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			   : "text/plain; version=0.0.4; charset=utf-8";
	server_metrics(&m, req->web);
	if (!web_reader_get(req->web, &reader, &err)) {
		tick_metrics(&m, reader, req->now_ns);
		probe_metrics(&m, reader);
		incident_metrics(&m, reader);
		wait_metrics(&m, reader);
		store_metrics(&m, req->web);
		web_reader_put(req->web, reader);
	}
	if (m.open)
		strbuf_addstr(&res->body, "# EOF\n");
	return 0;
}
