/* SPDX-License-Identifier: Apache-2.0 */
#include "web/stacks.h"

#include <errno.h>

#include "base/timeutil.h"
#include "web/lists.h"

#define ROWS_MAX 20000
#define TIME_NS (5 * NSEC_PER_SEC)

/* Two containers of one name are told apart by their pods. */
#define NAME(table)                                                                                                   \
	"(SELECT coalesce(c.pod || '/', '') || coalesce(c.name, c.ref) FROM v_container c WHERE c.container = " table \
	".container)"
#define FRAMES(column) "(SELECT s.frames FROM v_stack s WHERE s.stack = " column ")"
#define WINDOW "ts_ns > :from AND ts_ns <= :to AND (:container IS NULL OR container IN " NAMED_CONTAINERS ")"

static const char cpu_sql[] =
	"WITH p AS (SELECT container, comm, stack, user_stack, sum(ns) AS ns FROM v_profile WHERE " WINDOW
	" GROUP BY container, comm, stack, user_stack)"
	" SELECT coalesce(" NAME("p") ", 'unknown') AS name, NULL AS reason, p.comm, p.ns, " FRAMES("p.user_stack")
	" AS user_frames, " FRAMES("p.stack") " AS frames FROM p ORDER BY p.ns DESC";

/* While a wait goes on it is recorded once a tick: its beginning tells that it is the same.  Of each the longest. */
#define ONE_WAIT                                                                                                  \
	" comm, stack, max(min(duration_ns, ts_ns - :from)) AS ns"
#define GROUP_WAIT " GROUP BY container, pid, tid, (ts_ns - duration_ns + 5000000) / 10000000"

static const char wait_sql[] =
	"WITH w AS (SELECT container, kw_wait_reason(reason) AS reason," ONE_WAIT " FROM v_offcpu WHERE reason <> 0 AND "
	WINDOW GROUP_WAIT
	" UNION ALL SELECT container, CASE fs_freeze_level WHEN 0 THEN 'lock' ELSE 'fs_frozen' END AS reason," ONE_WAIT
	" FROM v_lock WHERE " WINDOW GROUP_WAIT "),"
	" g AS MATERIALIZED (SELECT container, reason, comm, stack, sum(ns) AS ns FROM w GROUP BY 1, 2, 3, 4),"
	" t AS MATERIALIZED (SELECT container, reason, sum(wait_ns) AS ns FROM v_wait WHERE " WINDOW " GROUP BY 1, 2)"
	" SELECT coalesce(" NAME("g") ", 'unknown') AS name, reason, comm, ns, NULL AS user_frames, " FRAMES("g.stack")
	" AS frames FROM g"
	" UNION ALL SELECT coalesce(" NAME("t") ", 'unknown'), reason, '[no stack]', ns - coalesce((SELECT sum(g.ns)"
	" FROM g WHERE g.container = t.container AND g.reason = t.reason), 0), NULL, NULL FROM t ORDER BY ns DESC";

struct target {
	struct flame *flame;
	enum flame_window window;
};

enum { COL_NAME, COL_REASON, COL_COMM, COL_NS, COL_USER, COL_KERNEL, COL_COUNT };

static const char *text(const struct query_value *v)
{
	return v->type == VALUE_TEXT ? v->text : NULL;
}

static int take_row(void *ctx, int count, const char *const *names, const struct query_value *v)
{
	const struct target *t = ctx;

	(void)names;
	if (count < COL_COUNT)
		return -EINVAL;
	flame_add(t->flame, t->window,
		  &(struct flame_row){ .container = text(&v[COL_NAME]) ? text(&v[COL_NAME]) : "unknown",
				       .reason = text(&v[COL_REASON]),
				       .task = text(&v[COL_COMM]),
				       .user = text(&v[COL_USER]),
				       .kernel = text(&v[COL_KERNEL]),
				       .ns = v[COL_NS].integer });
	return 0;
}

static int64_t read_window(struct reader *r, const struct stacks_filter *f, int64_t from_ns, int64_t to_ns,
			   struct target *t, struct strbuf *ret_error)
{
	const struct query_param params[] = {
		{ .name = ":from", .type = PARAM_INT, .integer = from_ns },
		{ .name = ":to", .type = PARAM_INT, .integer = to_ns },
		{ .name = ":container", .type = f->container ? PARAM_TEXT : PARAM_NULL, .text = f->container },
	};
	const struct query_limits limits = { .rows = ROWS_MAX, .time_ns = TIME_NS };
	int64_t n = reader_select(r, from_ns, to_ns);

	if (n >= 0)
		n = reader_query(r, f->waits ? wait_sql : cpu_sql, params, ARRAY_SIZE(params), &limits, take_row, t,
				 ret_error);
	return n == -E2BIG ? 0 : MIN(n, 0); /* the largest are there */
}

int64_t stacks_read(struct reader *r, const struct stacks_filter *f, struct flame **ret_flame, struct strbuf *ret_error)
{
	struct target t = { .flame = flame_new(), .window = FLAME_NOW };
	int64_t n;

	if (!t.flame)
		return -ENOMEM;
	n = read_window(r, f, f->from_ns, f->to_ns, &t, ret_error);
	t.window = FLAME_BASE;
	if (!n && f->base_to_ns)
		n = read_window(r, f, f->base_from_ns, f->base_to_ns, &t, ret_error);
	if (n) {
		flame_free(t.flame);
		return n;
	}
	flame_sort(t.flame);
	*ret_flame = t.flame;
	return 0;
}
