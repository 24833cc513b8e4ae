/* SPDX-License-Identifier: Apache-2.0 */
/* What the server answers at every documented address is what schema/openapi.json says of it, over a store that has
 * something of everything. */
#include "tests/unit/unit.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h" /* what the store is written through */
#include "analyze/reports.h"
#include "base/embed.h"
#include "tests/synth/schema_check.h"
#include "tests/unit/store_fixture.h"
#include "web/page.h"
#include "web/routes.h"
#include "web/rows.h"

#define INCIDENT "01KAYQ0000000000000000ABCD"
#define LATER "01KAYQ0000000000000000ABCF"

static const char report[] =
	"{\"schema\":\"kwhy.report/v1\",\"id\":\"" INCIDENT
	"\",\"revision\":1,\"status\":\"open\",\"severity\":\"warning\","
	"\"cause\":\"cpu.neighbor\",\"headline\":\"web waited\",\"confidence\":{\"level\":\"confirmed\",\"basis\":[],"
	"\"capped_by\":[]},\"window\":{\"onset_ns\":\"1700000002000000000\",\"detected_ns\":\"1700000003000000000\","
	"\"peak_ns\":\"1700000003000000000\",\"end_ns\":null},\"node\":{},\"resource\":{\"kind\":\"cpu\",\"name\":"
	"\"cpu\"},"
	"\"victims\":[],\"culprits\":[],\"bystanders\":[],\"budget\":[],\"chain\":{\"nodes\":[],\"edges\":[]},"
	"\"evidence\":[],"
	"\"hypotheses\":[],\"timeline\":[],\"data_quality\":{},\"remediation\":[],\"generator\":{}}";

struct world {
	struct fixture f;
	struct web *web;
	json_t *document;
};

static void put_incident_of(const char *dir, const char *id, const char *onset_ns, const char *severity, const char *cause)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	json_t *object = json_loads(report, 0, NULL);
	struct reports *reports;

	assert_non_null(object);
	json_object_set_new(object, "id", json_string(id));
	json_object_set_new(object, "severity", json_string(severity));
	json_object_set_new(object, "cause", json_string(cause));
	json_object_set_new(json_object_get(object, "window"), "onset_ns", json_string(onset_ns));
	assert_int_equal(reports_open(dir, &reports, &error), 0);
	assert_int_equal(reports_put(reports, object), 0);
	reports_free(reports);
	json_decref(object);
}

static void put_incident(const char *dir, const char *id, const char *onset_ns)
{
	put_incident_of(dir, id, onset_ns, "warning", "io.device_error");
}

/* A failed block request with a stack, whose text is hostile. */
static void put_with_stack(struct fixture *f, uint64_t ts_ns)
{
	static const char text[] = "submit_bio+0x1\n<script>";
	union record r;

	make_record(&r, KW_KIND_stack, ts_ns - 1);
	r.event.payload_size = (uint16_t)(offsetof(struct kw_stack, text) + strlen(text));
	PAYLOAD(&r, stack)->hash = 77;
	memcpy(PAYLOAD(&r, stack)->text, text, strlen(text));
	put(f, &r);
	make_record(&r, KW_KIND_block, ts_ns);
	r.event.subject.cg.v2 = 100;
	r.event.stack = 77;
	r.event.duration_ns = 20000000;
	put(f, &r);
}

static int setup(void **state)
{
	static struct world w;
	const struct web_options options = { .state_dir = w.f.dir, .host = "", .listen = "", .config = "" };
	const struct embedded_file *file = embedded_find("schema/openapi.json");

	fixture_new(&w.f);
	fixture_open(&w.f);
	put_cgroup(&w.f, SEC(0.5), CG_MADE, 0, 100, "/web");
	for (unsigned int at = 1; at <= 5; at++) {
		put_wait(&w.f, SEC(at), 100, 1, 100000000);
		put_runq(&w.f, SEC(at) + 1, 100, 200, 50000000);
		put_tick(&w.f, SEC(at) + 1000, at);
	}
	put_with_stack(&w.f, SEC(5.5));
	put_cgroup(&w.f, SEC(5.6), CG_MADE, 0, 300, "/late");
	put_tick(&w.f, SEC(5.8), 6);
	put_incident(w.f.dir, INCIDENT, "1700000002000000000");
	put_incident(w.f.dir, LATER, "1700000004000000000");
	w.web = web_new(&options);
	w.document = json_loadb(file->data, file->size, 0, NULL);
	assert_non_null(w.web);
	assert_non_null(w.document);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	web_free(w->web);
	json_decref(w->document);
	fixture_free(&w->f);
	return 0;
}

/* NULL when the answer is no JSON. */
static json_t *ask(struct world *w, enum http_method method, const char *path, const char *body,
		   unsigned int *ret_status)
{
	struct http_request req = { .method = method,
				    .path = path,
				    .body = body,
				    .now_ns = WALL(SEC(6)),
				    .content_type = body ? "application/json" : NULL };
	struct http_response res = { 0 };
	json_t *answer;

	routes_dispatch(w->web, &req, &res);
	*ret_status = res.status;
	answer = json_loads(strbuf_str(&res.body), 0, NULL);
	http_response_cleanup(&res);
	return answer;
}

static void check(struct world *w, const json_t *operation, json_t *answer, unsigned int status, const char *path)
{
	const json_t *content, *schema;
	char code[8];

	snprintf(code, sizeof(code), "%u", status);
	content = json_object_get(operation, "responses");
	content = json_object_get(json_object_get(content, code) ? json_object_get(content, code)
								 : json_object_get(content, "default"),
				  "content");
	schema = json_object_get(json_object_iter_value(json_object_iter((json_t *)content)), "schema");
	assert_non_null(schema);
	if (!answer || !schema_holds(w->document, schema, answer, path)) {
		AUTO_FREE char *text = answer ? json_dumps(answer, 0) : NULL;

		fail_msg("%s answers %u: %s", path, status, text ? text : "no JSON");
	}
	json_decref(answer);
}

/* Those whose answer is no JSON document, or that need what a unit test does not have (a process for SQL, roles). */
static bool is_special(const char *path)
{
	static const char *const special[] = { "/api/v1/stream", "/api/v1/bundles", "/api/v1/query", "/api/v1/audit",
					       "/api/v1/why" };

	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (!strcmp(path, special[i]))
			return true;
	return false;
}

static void answers_are_as_documented(void **state)
{
	struct world *w = *state;
	unsigned int status, fine = 0;
	const char *path;
	json_t *entry;

	json_object_foreach (json_object_get(w->document, "paths"), path, entry) {
		AUTO(strbuf) struct strbuf address = STRBUF_INIT;
		const json_t *get = json_object_get(entry, "get");
		const char *brace = strchr(path, '{');
		json_t *answer;

		if (!get || is_special(path))
			continue;
		print_message("# %s\n", path);
		strbuf_add(&address, path, brace ? (size_t)(brace - path) : strlen(path));
		if (brace)
			strbuf_addf(&address, "%s%s", !strncmp(path, "/api/v1/incidents/", 18) ? INCIDENT : "/web",
				    strchr(brace, '}') + 1);
		answer = ask(w, HTTP_GET, strbuf_str(&address), NULL, &status);
		fine += status == 200;
		check(w, get, answer, status, path);
	}
	assert_true(fine >= 10);
}

static const json_t *operation(struct world *w, const char *path, const char *method)
{
	return json_object_get(json_object_get(json_object_get(w->document, "paths"), path), method);
}

/* The first of the incidents of that handling, "" when there is none; and as often as the facets count them. */
static void assert_handled(struct world *w, const char *handling, const char *first, int64_t count)
{
	struct http_request req = { .method = HTTP_GET, .path = "/incidents", .now_ns = WALL(SEC(6)) };
	struct http_response res = { 0 };
	json_t *answer, *row;
	int64_t counted = 0;
	size_t i;

	http_add_param(&req, "handling", handling);
	http_add_param(&req, "format", "json");
	routes_dispatch(w->web, &req, &res);
	answer = json_loads(strbuf_str(&res.body), 0, NULL);
	http_response_cleanup(&res);
	assert_string_equal(value_text(json_array_get(json_object_get(answer, "items"), 0), "id"), first);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), count);
	json_array_foreach (json_object_get(answer, "facets"), i, row)
		if (!strcmp(value_text(row, "facet"), "handling") && !strcmp(value_text(row, "value"), handling))
			counted = value_int(row, "n", 0);
	assert_int_equal(counted, count);
	json_decref(answer);
}

static void marks_narrow_the_list(void **state)
{
	static const char path[] = "/api/v1/incidents/" INCIDENT "/marks";
	struct world *w = *state;
	unsigned int status;

	json_decref(ask(w, HTTP_POST, path, "{\"what\":\"acknowledged\",\"author\":\"ann\"}", &status));
	assert_handled(w, "acknowledged", INCIDENT, 1);
	assert_handled(w, "muted", "", 0);
	assert_handled(w, "none", LATER, 1);
	json_decref(ask(w, HTTP_POST, path, "{\"what\":\"muted\",\"author\":\"ann\",\"comment\":\"c\"}", &status));
	assert_handled(w, "acknowledged", "", 0);
	assert_handled(w, "muted", INCIDENT, 1);
	json_decref(ask(w, HTTP_POST, path, "{\"what\":\"taken_back\",\"author\":\"ann\"}", &status));
	assert_handled(w, "muted", "", 0);
}

static void marks_are_kept(void **state)
{
	static const char path[] = "/api/v1/incidents/" INCIDENT "/marks";
	struct world *w = *state;
	unsigned int status;
	json_t *answer = ask(w, HTTP_POST, path,
			     "{\"what\":\"muted\",\"author\":\"ann\",\"comment\":\"c\",\"lasts\":\"2h\"}", &status);

	assert_int_equal(status, 200);
	assert_string_equal(value_text(json_array_get(json_object_get(answer, "items"), 0), "author"), "ann");
	check(w, operation(w, "/api/v1/incidents/{id}/marks", "post"), answer, status, path);
	answer = ask(w, HTTP_GET, "/api/v1/silences", NULL, &status);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), 1);
	check(w, operation(w, "/api/v1/silences", "get"), answer, status, "silences");
	answer = ask(w, HTTP_POST, path, "{\"what\":\"taken_back\",\"author\":\"ann\"}", &status);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), 2);
	json_decref(answer);
	answer = ask(w, HTTP_GET, "/api/v1/silences", NULL, &status);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), 0);
	json_decref(answer);
}

static void refuses_bad_marks(void **state)
{
	static const struct {
		const char *path, *body;
		unsigned int status;
	} cases[] = {
		{ "/api/v1/incidents/" INCIDENT "/marks", "{\"what\":\"muted\",\"author\":\"ann\"}", 422 },
		{ "/api/v1/incidents/" INCIDENT "/marks", "{\"what\":\"liked\",\"author\":\"ann\"}", 422 },
		{ "/api/v1/incidents/" INCIDENT "/marks", "{\"what\":\"acknowledged\",\"author\":\"\"}", 422 },
		{ "/api/v1/incidents/" INCIDENT "/marks", "{\"what\":7}", 422 },
		{ "/api/v1/incidents/" INCIDENT "/marks", "[]", 400 },
		{ "/api/v1/incidents/" INCIDENT "/marks",
		  "{\"what\":\"muted\",\"author\":\"a\",\"comment\":\"c\",\"lasts\":\"soon\"}", 422 },
		{ "/api/v1/incidents/01KAYQ0000000000000000ABCE/marks", "{\"what\":\"acknowledged\",\"author\":\"a\"}",
		  404 },
		{ "/api/v1/incidents/" INCIDENT "/nothing", "{}", 404 },
	};
	struct world *w = *state;
	unsigned int status;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("# %s\n", cases[i].body);
		json_decref(ask(w, HTTP_POST, cases[i].path, cases[i].body, &status));
		assert_int_equal(status, cases[i].status);
	}
}

/* Whether a page has that text. */
static bool page_has(struct world *w, const char *path, const char *text)
{
	struct http_request req = { .method = HTTP_GET, .path = path, .now_ns = WALL(SEC(6)) };
	struct http_response res = { 0 };
	bool has;

	routes_dispatch(w->web, &req, &res);
	assert_int_equal(res.status, 200);
	has = strstr(strbuf_str(&res.body), text) != NULL;
	http_response_cleanup(&res);
	return has;
}

/* What came before is similar, what came after is not: it was not there to learn from. */
static void reports_name_similar_ones(void **state)
{
	assert_true(page_has(*state, "/incidents/" LATER, "<a href=\"/incidents/" INCIDENT "\">"));
	assert_false(page_has(*state, "/incidents/" INCIDENT, "id=\"similar\""));
}

/* The page's model; path is followed by up to two parameters, "name=value". */
static json_t *events_page(struct world *w, const char *first, const char *second)
{
	struct http_request req = { .method = HTTP_GET, .path = "/events", .now_ns = WALL(SEC(6)) };
	AUTO_FREE char *text = strdup(first ? first : ""), *more = strdup(second ? second : "");
	struct http_response res = { 0 };
	json_t *model;

	http_add_param(&req, "format", "json");
	if (*text)
		http_parse_form(&req, text);
	if (*more)
		http_parse_form(&req, more);
	routes_dispatch(w->web, &req, &res);
	assert_int_equal(res.status, 200);
	model = json_loads(strbuf_str(&res.body), 0, NULL);
	assert_non_null(model);
	http_response_cleanup(&res);
	return model;
}

/* How often an answer counts that value of a facet. */
static int64_t counted(const json_t *model, const char *list, const char *value)
{
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(model, "summary"), list), i, row)
		if (!strcmp(value_text(row, "value"), value))
			return value_int(row, "n", -1);
	return 0;
}

static int64_t bars(const json_t *model)
{
	const json_t *n;
	int64_t sum = 0;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(model, "summary"), "bars"), i, n)
		sum += json_integer_value(n);
	return sum;
}

static void events_are_counted(void **state)
{
	json_t *model = events_page(*state, NULL, NULL);

	assert_int_equal(counted(model, "kinds", "runq"), 5);
	assert_int_equal(counted(model, "kinds", "block"), 1);
	assert_int_equal(counted(model, "containers", "/web"), 6);
	assert_int_equal(bars(model), 6);
	/* Newest first, with what came and went between: two cgroups, and one that only events told of. */
	assert_int_equal(json_array_size(json_object_get(model, "items")), 9);
	assert_string_equal(value_text(json_array_get(json_object_get(model, "items"), 0), "summary"), "Cgroup first seen");
	assert_string_equal(value_text(json_array_get(json_object_get(model, "items"), 1), "frames"), "submit_bio+0x1\n<script>");
	json_decref(model);
	/* A kind narrows what is counted of containers, not of kinds. */
	model = events_page(*state, "kind=block", NULL);
	assert_int_equal(counted(model, "kinds", "runq"), 5);
	assert_int_equal(counted(model, "containers", "/web"), 1);
	assert_int_equal(bars(model), 1);
	assert_int_equal(json_array_size(json_object_get(model, "items")), 1);
	json_decref(model);
	model = events_page(*state, "container=%2Flate", NULL);
	assert_int_equal(bars(model), 0);
	assert_int_equal(json_array_size(json_object_get(model, "items")), 1);
	json_decref(model);
	model = events_page(*state, "kind=life", NULL); /* the last of a long list of kinds */
	assert_int_equal(json_array_size(json_object_get(model, "items")), 3);
	json_decref(model);
	/* The time asked for. */
	model = events_page(*state, "since=1700000002000000000", "until=1700000003500000000");
	assert_int_equal(bars(model), 2);
	assert_int_equal(json_array_size(json_object_get(model, "items")), 2);
	json_decref(model);
	/* Where a page ends the next one goes on, and what came and went belongs to one of them. */
	model = events_page(*state, "limit=1", NULL);
	assert_int_equal(json_array_size(json_object_get(model, "items")), 2);
	json_decref(model);
	assert_true(page_has(*state, "/events", "submit_bio+0x1\n&lt;script&gt;"));
	assert_true(page_has(*state, "/events", "#t1700000005500000000\" aria-label=\"All within 5 s of it\""));
}

/*
 * What is worse comes first, of each cause two before more of it; notes of what containers do to themselves stand behind
 * what hurts somebody, though they be newer.
 */
static void what_hurts_comes_first(void **state)
{
	static const struct {
		const char *id, *onset_ns, *severity, *cause;
	} put[] = {
		{ "01KAYQ0000000000000000ABD0", "1700000004000000000", "critical", "fs.full" },
		{ "01KAYQ0000000000000000ABD1", "1700000005100000000", "warning", "lock.file" },
		{ "01KAYQ0000000000000000ABD2", "1700000005200000000", "warning", "lock.file" },
		{ "01KAYQ0000000000000000ABD3", "1700000005300000000", "warning", "lock.file" },
		{ "01KAYQ0000000000000000ABD4", "1700000004100000000", "warning", "net.refused" },
		{ "01KAYQ0000000000000000ABD5", "1700000005500000000", "info", "cpu.self" },
	};
	static const size_t order[] = { 0, 3, 2, 4, 1 };
	struct world *w = *state;
	struct http_request req = { .method = HTTP_GET, .path = "/", .now_ns = WALL(SEC(6)) };
	struct http_response res = { 0 };
	const char *at;

	for (size_t i = 0; i < ARRAY_SIZE(put); i++)
		put_incident_of(w->f.dir, put[i].id, put[i].onset_ns, put[i].severity, put[i].cause);
	routes_dispatch(w->web, &req, &res);
	at = strbuf_str(&res.body);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		print_message("# %s\n", put[order[i]].cause);
		at = strstr(at, put[order[i]].id);
		assert_non_null(at);
	}
	assert_null(strstr(strbuf_str(&res.body), put[5].id));
	http_response_cleanup(&res);
}

/* All that a browser may fetch beside the pages themselves (tests/web weighs those). */
static void the_ui_is_small(void **state)
{
	const struct embedded_file *file;
	size_t bytes = 0;

	(void)state;
	for (size_t i = 0; (file = embedded_at(i)); i++)
		if (!strncmp(file->path, "web/static/", 11))
			bytes += file->size;
	print_message("# %zu bytes\n", bytes);
	assert_in_range(bytes, 1, 250 * 1024);
}

/* A browser that has a file asks whether it still holds. */
static void files_are_sent_once(void **state)
{
	struct world *w = *state;
	struct http_request req = { .method = HTTP_GET, .path = "/static/kwhy.js" };
	struct http_response res = { 0 }, again = { 0 }, other = { 0 };

	routes_dispatch(w->web, &req, &res);
	assert_int_equal(res.status, 200);
	assert_true(res.body.len > 0);
	req.if_none_match = res.etag;
	routes_dispatch(w->web, &req, &again);
	assert_int_equal(again.status, 304);
	assert_int_equal(again.body.len, 0);
	req.path = "/static/kwhy.css";
	routes_dispatch(w->web, &req, &other);
	assert_int_equal(other.status, 200);
	assert_string_not_equal(other.etag, res.etag);
	http_response_cleanup(&res);
	http_response_cleanup(&again);
	http_response_cleanup(&other);
}

/* With the libraries that draw charts, which the build may have gone without, a page asks for all of them or for none. */
static void charts_have_what_they_need(void **state)
{
	static const char *const files[] = { "uPlot.esm.js", "uPlot.min.css", "preact.mjs", "htm.mjs", "licenses.txt" };
	bool libraries = page_has_libraries();

	print_message("# %s the libraries\n", libraries ? "with" : "without");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[64];

		snprintf(path, sizeof(path), "web/static/%s", files[i]);
		assert_int_equal(embedded_find(path) != NULL, libraries);
	}
	assert_true(page_has(*state, "/observe", "id=\"observed\""));
	assert_int_equal(page_has(*state, "/observe", "/static/observe.js"), libraries);
	assert_int_equal(page_has(*state, "/observe", "/static/drawings.js"), !libraries);
	assert_int_equal(page_has(*state, "/agent", "/static/licenses.txt"), libraries);
}

static void spoil(struct world *w, const char *id, const char *body)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	sqlite3_stmt *stmt;
	sqlite3 *db;

	strbuf_addf(&path, "%s/reports/reports.db", w->f.dir);
	assert_int_equal(sqlite3_open(strbuf_str(&path), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "UPDATE report SET body = ? WHERE id = ?", -1, &stmt, NULL), SQLITE_OK);
	sqlite3_bind_text(stmt, 1, body, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, id, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* Reports are passed on as they are stored, page by page; what is no report at all does not spoil the answer. */
static void lists_hold_whole_reports(void **state)
{
	static const char odd[] = "01KAYQ0000000000000000ABCH";
	static const char *const spoilt[] = { "{\"id\":", "{\"id\":\"\xff\"}", "x\"}],\"next\":[{\"" };
	static const struct http_param one[] = { { "limit", "1" } };
	struct world *w = *state;
	struct http_request req = { .method = HTTP_GET, .path = "/api/v1/incidents", .now_ns = WALL(SEC(6)) };
	struct http_response res = { 0 };
	unsigned int status;
	json_t *answer;
	size_t before;

	answer = ask(w, HTTP_GET, req.path, NULL, &status);
	before = json_array_size(json_object_get(answer, "items"));
	json_decref(answer);
	memcpy(req.params, one, sizeof(one));
	req.param_count = 1;
	routes_dispatch(w->web, &req, &res);
	answer = json_loads(strbuf_str(&res.body), 0, NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), 1);
	assert_string_equal(value_text(answer, "next"), value_text(json_array_get(json_object_get(answer, "items"), 0), "id"));
	assert_non_null(json_object_get(json_array_get(json_object_get(answer, "items"), 0), "hypotheses"));
	json_decref(answer);
	http_response_cleanup(&res);

	put_incident(w->f.dir, odd, "1700000001000000000");
	for (size_t i = 0; i < ARRAY_SIZE(spoilt); i++) {
		spoil(w, odd, spoilt[i]);
		answer = ask(w, HTTP_GET, "/api/v1/incidents", NULL, &status);
		assert_int_equal(status, 200);
		assert_int_equal(json_array_size(json_object_get(answer, "items")), before);
		assert_true(json_is_null(json_object_get(answer, "next")));
		json_decref(answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_as_documented),
		cmocka_unit_test(marks_are_kept),
		cmocka_unit_test(marks_narrow_the_list),
		cmocka_unit_test(refuses_bad_marks),
		cmocka_unit_test(reports_name_similar_ones),
		cmocka_unit_test(events_are_counted),
		cmocka_unit_test(the_ui_is_small),
		cmocka_unit_test(files_are_sent_once),
		cmocka_unit_test(charts_have_what_they_need),
		cmocka_unit_test(what_hurts_comes_first), /* it adds an incident, as does the next */
		cmocka_unit_test(lists_hold_whole_reports),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
