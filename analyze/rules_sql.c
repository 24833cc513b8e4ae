/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/rules_sql.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "analyze/sqlfuncs.h"
#include "schema/kinds.h"

/* The envelope, as schema/VIEWS.md lists it for v_<kind>. */
#define ENVELOPE                                                                                                  \
	"ts_ns, kind, class, container, container_name, peer, peer_name, pid, tid, comm, start_time_ns, peer_pid, " \
	"peer_tid, peer_comm, peer_start_time_ns, duration_ns, error, flags, pending, cpu, stack, peer_stack"

/* Views whose columns are not those of a kind.  The names are the contract of schema/VIEWS.md. */
static const char fixed_views[] =
	"CREATE TABLE v_event(" ENVELOPE ", payload, summary);"
	"CREATE TABLE v_wait(ts_ns, span_ns, container, reason, wait_ns, count, max_ns);"
	"CREATE TABLE v_blame(ts_ns, span_ns, resource, victim, culprit, sink, culprit_pid, culprit_tid, culprit_comm,"
	" culprit_start_time_ns, object, ns, count);"
	"CREATE TABLE v_profile(ts_ns, span_ns, container, pid, tid, comm, samples, ns, stack, user_stack);"
	"CREATE TABLE v_wakeup(ts_ns, span_ns, container, waker, waker_pid, waker_tid, waker_comm, count, sum_ns, max_ns);"
	"CREATE TABLE v_container(container, ref, name, runtime, id, pod, namespace, image, labels, cgroup, parent,"
	" first_ns, last_ns, kind, pod_uid, owner, qos, role, unit, restarts, annotations, limits, requests, netns,"
	" root_pid, exit_code, exit_reason, facts);"
	"CREATE TABLE v_coverage(ts_ns, probe, state, attach, why, emitted, stored, lost_ring, suppressed, lost_other,"
	" run_ns, run_count, cost_ppm);"
	"CREATE TABLE v_tick(ts_ns, seq, emitted, stored, lost, bpf, probes_missing, off);"
	"CREATE TABLE v_log(ts_ns, priority, facility, seq, text);"
	"CREATE TABLE v_stop(ts_ns, kind, reason, container, pid, tid, duration_ns, pending, peer, peer_pid, peer_tid);"
	"CREATE TABLE v_deviation(ts_ns, container, series, value, usual, spread, deviation, known_ns, warm_up);"
	"CREATE TABLE v_stack(stack, frames);";

static const char *const rule_parameters[] = {
	":victim", ":from", ":to", ":span_ns", ":onset", ":culprit", ":baseline_from", ":baseline_to",
	":reason", NULL,
};
static const char *const symptom_parameters[] = { ":from", ":to", ":single", NULL };

static bool has_field(const struct kw_kind_info *kind, const char *name)
{
	for (const struct kw_field *field = kind->fields; field->name; field++)
		if (!strcmp(field->name, name))
			return true;
	return false;
}

/* A payload's column wins over the envelope's of the same name. */
static void kind_table(struct strbuf *sql, const struct kw_kind_info *kind)
{
	static const char *const fixed[] = { "wait", "blame", "tick", "log", "stack", "probe", "cgroup", "identity", "source",
					     "profile", "wakeup", NULL };
	/* The host as a whole is no container. */
	const char *sample = kind->number == KW_KIND_host ? "ts_ns" : "ts_ns, container";
	char envelope[512];
	const char *comma = "";

	for (size_t i = 0; fixed[i]; i++)
		if (!strcmp(fixed[i], kind->name))
			return;
	snprintf(envelope, sizeof(envelope), "%s", kind->class == KW_CLASS_SAMPLE ? sample : ENVELOPE);
	strbuf_addf(sql, "CREATE TABLE v_%s(", kind->name);
	for (char *save, *name = strtok_r(envelope, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		if (has_field(kind, name))
			continue;
		strbuf_addf(sql, "%s%s", comma, name);
		comma = ", ";
	}
	for (const struct kw_field *field = kind->fields; field->name; field++)
		strbuf_addf(sql, ", \"%s\"", field->name);
	strbuf_addstr(sql, ");");
}

sqlite3 *rules_sql_open(void)
{
	AUTO(strbuf) struct strbuf sql = STRBUF_INIT;
	const struct kw_kind_info *kind;
	sqlite3 *db;

	strbuf_addstr(&sql, fixed_views);
	for (size_t i = 0; (kind = kw_kind_at(i)); i++)
		kind_table(&sql, kind);
	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_exec(db, strbuf_str(&sql), NULL, NULL, NULL) != SQLITE_OK || sqlfuncs_register(db)) {
		sqlite3_close(db);
		return NULL;
	}
	return db;
}

int rules_sql_column(sqlite3_stmt *stmt, const char *name)
{
	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		if (!strcmp(sqlite3_column_name(stmt, i), name))
			return i;
	return -1;
}

static int check_statement(sqlite3_stmt *stmt, const char *const *columns, const char *const *parameters,
			   struct strbuf *ret_error)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
		const char *name = sqlite3_bind_parameter_name(stmt, i);
		size_t p = 0;

		while (parameters[p] && (!name || strcmp(parameters[p], name)))
			p++;
		if (!parameters[p]) {
			strbuf_addf(ret_error, "unknown parameter %s", name ? name : "?");
			return -EINVAL;
		}
	}
	for (; columns && *columns; columns++) {
		if (rules_sql_column(stmt, *columns) < 0) {
			strbuf_addf(ret_error, "the query has no column \"%s\"", *columns);
			return -EINVAL;
		}
	}
	return 0;
}

static int check_query(sqlite3 *db, const char *sql, const char *const *columns, const char *const *parameters,
		       sqlite3_stmt **ret_stmt, struct strbuf *ret_error)
{
	sqlite3_stmt *stmt = NULL;
	const char *tail = "";
	int r = -EINVAL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, &tail) != SQLITE_OK)
		strbuf_addf(ret_error, "SQL: %s", sqlite3_errmsg(db));
	else if (!stmt || !sqlite3_stmt_readonly(stmt))
		strbuf_addstr(ret_error, "SQL: not one statement that only reads");
	else if (tail[strspn(tail, " \t\n;")])
		strbuf_addstr(ret_error, "SQL: more than one statement");
	else
		r = check_statement(stmt, columns, parameters, ret_error);
	if (r == 0 && ret_stmt)
		*ret_stmt = stmt;
	else
		sqlite3_finalize(stmt);
	return r;
}

int rules_sql_check(sqlite3 *db, const char *sql, const char *const *columns, sqlite3_stmt **ret_stmt,
		    struct strbuf *ret_error)
{
	return check_query(db, sql, columns, rule_parameters, ret_stmt, ret_error);
}

int rules_sql_check_symptom(sqlite3 *db, const char *sql, struct strbuf *ret_error)
{
	static const char *const columns[] = { "container", "onset_ns", "end_ns", "value", NULL };
	sqlite3_stmt *stmt;
	int r = check_query(db, sql, columns, symptom_parameters, &stmt, ret_error);

	if (r < 0)
		return r;
	for (int i = 0; r == 0 && columns[i]; i++)
		if (rules_sql_column(stmt, columns[i]) != i)
			r = -EINVAL;
	if (r < 0)
		strbuf_addstr(ret_error, "the columns are container, onset_ns, end_ns, value, in this order");
	sqlite3_finalize(stmt);
	return r;
}

int rules_sql_check_alert(sqlite3 *db, const char *sql, struct strbuf *ret_error)
{
	static const char *const columns[] = { "value", NULL }, *const parameters[] = { ":now", ":from", NULL };

	return check_query(db, sql, columns, parameters, NULL, ret_error);
}
