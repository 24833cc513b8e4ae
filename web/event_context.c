/* SPDX-License-Identifier: Apache-2.0 */
#include "web/event_context.h"

#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/rows.h"

#define SPAN_NS (5 * 60 * NSEC_PER_SEC) /* without a time of its own */
#define SUMMARY_TIME_NS (5 * NSEC_PER_SEC)
#define LIFE_MAX 200

/* Two hundred thousand rows are counted in a tenth of a second; whoever asks for more gets the newest of them. */
static const char summary_sql[] =
	"WITH e AS MATERIALIZED (SELECT ts_ns, kind, container, peer FROM v_event WHERE class = 'context' AND ts_ns >= :since"
	" AND ts_ns <= :until ORDER BY ts_ns DESC LIMIT 200000),"
	" f AS MATERIALIZED (SELECT ts_ns, kind, container, :kind IS NULL OR kind = :kind AS k, :container IS NULL OR container"
	" IN " NAMED_CONTAINERS " OR peer IN " NAMED_CONTAINERS " AS c FROM e),"
	" top AS (SELECT container, count(*) AS n FROM f WHERE k AND container IS NOT NULL GROUP BY container ORDER BY n DESC"
	" LIMIT 12)"
	" SELECT 'kinds' AS facet, kind AS value, count(*) AS n FROM f WHERE c GROUP BY kind"
	" UNION ALL SELECT 'containers', (SELECT coalesce(name, ref) FROM v_container v WHERE v.container = top.container), n"
	" FROM top"
	" UNION ALL SELECT 'bar', (ts_ns - :since) / :step, count(*) FROM f WHERE k AND c GROUP BY 2"
	" UNION ALL SELECT 'seen', min(ts_ns), count(*) FROM e"
	" ORDER BY n DESC";
#define SUMMARY_MAX 200000

static void span_of(struct reader *r, const struct event_filter *f, int64_t *ret_from, int64_t *ret_to)
{
	int64_t first, last, to = f->until_ns;

	if (f->before_ns && (!to || f->before_ns < to))
		to = f->before_ns;
	if (!to)
		to = reader_bounds(r, &first, &last) ? SPAN_NS : last;
	*ret_to = to;
	*ret_from = f->since_ns ? MIN(f->since_ns, to) : to - SPAN_NS;
}

static void add_counts(json_t *model, const json_t *rows)
{
	json_t *row, *bars = json_object_get(model, "bars");
	size_t i;

	for (i = 0; i < EVENT_BARS; i++)
		json_array_append_new(bars, json_integer(0));
	json_array_foreach ((json_t *)rows, i, row) {
		const char *facet = value_text(row, "facet");
		int64_t at = value_int(row, "value", -1), n = value_int(row, "n", 0);

		if (!strcmp(facet, "bar") && at >= 0)
			json_array_set_new(bars, (size_t)MIN(at, EVENT_BARS - 1), json_integer(n));
		else if (!strcmp(facet, "seen") && n == SUMMARY_MAX)
			json_object_set_new(model, "seen_ns", rows_ns(at));
		else if (json_is_array(json_object_get(model, facet)))
			json_array_append(json_object_get(model, facet), row);
	}
}

int64_t event_summary(struct reader *r, const struct event_filter *f, json_t **ret_model, struct strbuf *ret_error)
{
	const struct query_limits limits = { .rows = 1000, .time_ns = SUMMARY_TIME_NS };
	struct query_param params[] = {
		{ .name = ":since", .type = PARAM_INT },
		{ .name = ":until", .type = PARAM_INT },
		{ .name = ":step", .type = PARAM_INT },
		{ .name = ":kind", .type = f->kind ? PARAM_TEXT : PARAM_NULL, .text = f->kind },
		{ .name = ":container", .type = f->container ? PARAM_TEXT : PARAM_NULL, .text = f->container },
	};
	int64_t from, to, step, n;
	json_t *rows = NULL;

	span_of(r, f, &from, &to);
	step = (to - from) / EVENT_BARS + 1;
	params[0].integer = from;
	params[1].integer = to;
	params[2].integer = step;
	n = rows_query(r, summary_sql, params, ARRAY_SIZE(params), &limits, &rows, ret_error);
	if (n >= 0) {
		*ret_model = json_pack("{s:o, s:o, s:o, s:o, s:[], s:[], s:[]}", "from_ns", rows_ns(from), "to_ns",
				       rows_ns(to), "step_ns", rows_ns(step), "seen_ns", rows_ns(from), "bars", "kinds",
				       "containers");
		add_counts(*ret_model, rows);
	}
	json_decref(rows);
	return n;
}

#define LIFE_OF(moment)                                                                                               \
	" FROM v_container WHERE kind <> 'host' AND " moment " >= :since AND " moment " <= :until AND (:container IS" \
	" NULL OR container IN " NAMED_CONTAINERS ")"
#define WHAT "CASE kind WHEN 'container' THEN 'Container' WHEN 'pod' THEN 'Pod' ELSE 'Cgroup' END"

static const char life_sql[] =
	"SELECT first_ns AS ts_ns, '" EVENT_LIFE "' AS kind, container, name AS container_name, " WHAT
	" || ' first seen' || coalesce(' by ' || runtime, '') || coalesce(', image ' || image, '') AS summary"
	LIFE_OF("first_ns")
	" UNION ALL SELECT last_ns, '" EVENT_LIFE "', container, name, " WHAT " || ' ended' || coalesce(': ' || exit_reason, '')"
	" || coalesce(', exit code ' || exit_code, '')" LIFE_OF("last_ns") " ORDER BY 1 DESC LIMIT :limit";

int64_t event_life(struct reader *r, const struct event_filter *f, json_t **ret_rows, struct strbuf *ret_error)
{
	const struct query_limits limits = { .rows = LIFE_MAX, .time_ns = SUMMARY_TIME_NS };
	const struct query_param params[] = {
		{ .name = ":since", .type = PARAM_INT, .integer = f->since_ns },
		{ .name = ":until", .type = PARAM_INT, .integer = f->until_ns ? f->until_ns : INT64_MAX },
		{ .name = ":limit", .type = PARAM_INT, .integer = LIFE_MAX },
		{ .name = ":container", .type = f->container ? PARAM_TEXT : PARAM_NULL, .text = f->container },
	};

	return rows_query(r, life_sql, params, ARRAY_SIZE(params), &limits, ret_rows, ret_error);
}

json_t *event_merge(const json_t *events, const json_t *life)
{
	json_t *out = json_array();
	size_t i = 0, j = 0;

	while (i < json_array_size(events) || j < json_array_size(life)) {
		json_t *event = json_array_get(events, i), *other = json_array_get(life, j);
		bool later = event && (!other || value_int(event, "ts_ns", 0) >= value_int(other, "ts_ns", 0));

		json_array_append(out, later ? event : other);
		*(later ? &i : &j) += 1;
	}
	return out;
}

static const struct {
	const char *stack, *frames;
} sides[] = { { "stack", "frames" }, { "peer_stack", "peer_frames" } };

/* The hashes of all stacks as JSON. */
static char *hashes_of(const json_t *rows)
{
	json_t *hashes = json_array(), *row;
	char *text, key[24];
	size_t i;

	json_array_foreach ((json_t *)rows, i, row)
		for (size_t k = 0; k < ARRAY_SIZE(sides); k++) {
			if (!value_int(row, sides[k].stack, 0))
				continue;
			value_key(key, sizeof(key), row, sides[k].stack);
			json_array_append_new(hashes, json_string(key));
		}
	text = json_dumps(hashes, JSON_COMPACT);
	json_decref(hashes);
	return text;
}

void event_frames(struct reader *r, json_t *rows)
{
	static const char sql[] = "SELECT stack, frames FROM v_stack WHERE stack IN (SELECT CAST(value AS INTEGER) FROM"
				  " json_each(:hashes))";
	const struct query_limits limits = { .rows = 2000, .time_ns = SUMMARY_TIME_NS };
	AUTO_FREE char *hashes = hashes_of(rows);
	const struct query_param param = { .name = ":hashes", .type = PARAM_TEXT, .text = hashes };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	json_t *found = NULL, *by_hash = json_object(), *row;
	char key[24];
	size_t i;

	if (hashes)
		rows_query(r, sql, &param, 1, &limits, &found, &err);
	json_array_foreach (found, i, row) {
		value_key(key, sizeof(key), row, "stack");
		json_object_set(by_hash, key, json_object_get(row, "frames"));
	}
	json_array_foreach (rows, i, row)
		for (size_t k = 0; k < ARRAY_SIZE(sides); k++) {
			value_key(key, sizeof(key), row, sides[k].stack);
			json_object_set(row, sides[k].frames, json_object_get(by_hash, key));
		}
	json_decref(by_hash);
	json_decref(found);
}
