/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens in files, who may do what over HTTP, pages of other sites, and the audit log. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/timeutil.h"
#include "web/routes.h"
#include "web/rows.h"

#define VIEWER "viewer-0123456789abcdef"
#define OPERATOR "operator-0123456789abcdef"
#define ADMIN "admin+/=0123456789abcdef"

struct site {
	char dir[PATH_MAX - 64], files[ROLES][PATH_MAX];
	struct tokens *tokens;
	struct audit *audit;
	struct web *web;
};

static void write_file(const char *path, const char *text, mode_t mode)
{
	assert_int_equal(file_write_atomic(path, text, strlen(text), mode), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static const char *reload(struct tokens *t)
{
	static struct strbuf said;

	strbuf_reset(&said);
	tokens_reload(t, &said);
	return strbuf_str(&said);
}

static void site_new(struct site *s)
{
	char dir[PATH_MAX - 64], reports[PATH_MAX];
	struct web_options options;

	assert_int_equal(dir_make_temporary(dir, sizeof(dir), "kwhy-access"), 0);
	memcpy(s->dir, dir, sizeof(dir));
	snprintf(reports, sizeof(reports), "%s/reports", dir);
	assert_int_equal(dir_make(reports, 0755), 0);
	for (int i = ROLE_VIEWER; i < ROLES; i++)
		snprintf(s->files[i], sizeof(s->files[i]), "%s/%s", dir, role_name((enum role)i));
	write_file(s->files[ROLE_VIEWER], "# who may look\n\nann:" VIEWER "  \n", 0600);
	write_file(s->files[ROLE_OPERATOR], OPERATOR, 0640);
	write_file(s->files[ROLE_ADMIN], "root@site:" ADMIN "\r\n", 0600);
	s->tokens = tokens_new(s->files[ROLE_VIEWER], s->files[ROLE_OPERATOR], s->files[ROLE_ADMIN]);
	s->audit = audit_new(s->dir);
	assert_string_equal(reload(s->tokens), "");
	options = (struct web_options){ .state_dir = s->dir, .host = "kwhy.example", .listen = "", .config = "",
					.tokens = s->tokens, .audit = s->audit };
	s->web = web_new(&options);
	assert_non_null(s->web);
}

static void site_free(struct site *s)
{
	web_free(s->web);
	tokens_free(s->tokens);
	audit_free(s->audit);
	dir_remove(s->dir);
}

/* ---- tokens ----------------------------------------------------------------------------------------------- */

static void finds_holders(void **state)
{
	struct site s;
	struct identity who;

	(void)state;
	site_new(&s);
	assert_true(tokens_wanted(s.tokens));
	assert_int_equal(tokens_count(s.tokens), 3);
	who = tokens_identify(s.tokens, VIEWER);
	assert_int_equal(who.role, ROLE_VIEWER);
	assert_string_equal(who.name, "ann");
	who = tokens_identify(s.tokens, OPERATOR);
	assert_int_equal(who.role, ROLE_OPERATOR);
	assert_string_equal(who.name, "operator");
	assert_string_equal(tokens_identify(s.tokens, ADMIN).name, "root@site");
	assert_int_equal(tokens_identify(s.tokens, "viewer-0123456789abcdeg").role, ROLE_NONE);
	assert_int_equal(tokens_identify(s.tokens, "").role, ROLE_NONE);
	assert_int_equal(tokens_identify(s.tokens, "ann:" VIEWER).role, ROLE_NONE);
	site_free(&s);
}

static void reads_files_again(void **state)
{
	struct site s;

	(void)state;
	site_new(&s);
	write_file(s.files[ROLE_VIEWER], "new-0123456789abcdef\n", 0600);
	assert_string_equal(reload(s.tokens), "");
	assert_int_equal(tokens_identify(s.tokens, VIEWER).role, ROLE_NONE);
	assert_int_equal(tokens_identify(s.tokens, "new-0123456789abcdef").role, ROLE_VIEWER);
	/* The highest role counts. */
	write_file(s.files[ROLE_OPERATOR], "new-0123456789abcdef\n", 0600);
	reload(s.tokens);
	assert_int_equal(tokens_identify(s.tokens, "new-0123456789abcdef").role, ROLE_OPERATOR);
	unlink(s.files[ROLE_OPERATOR]);
	assert_non_null(strstr(reload(s.tokens), "No such file"));
	assert_int_equal(tokens_identify(s.tokens, "new-0123456789abcdef").role, ROLE_VIEWER);
	assert_string_equal(reload(s.tokens), ""); /* said once */
	site_free(&s);
}

static void distrusts_files(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *said;
	} cases[] = {
		{ VIEWER, 0644, "others may read" },
		{ VIEWER, 0660, "others may read" },
		{ VIEWER, 0602, "others may read" },
		{ "short", 0600, ":1: a token has" },
		{ "\n" VIEWER "\nwith blank 0123456789\n", 0600, ":3: a token has" },
		{ "a:b:0123456789abcdef0", 0600, ":1: a token has" },
		{ "<b>:" VIEWER, 0600, ":1: a name" },
		{ ":" VIEWER, 0600, ":1: a name" },
	};
	struct site s;

	(void)state;
	site_new(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *said;

		write_file(s.files[ROLE_VIEWER], cases[i].text, cases[i].mode);
		said = reload(s.tokens);
		print_message("# %s", said);
		assert_non_null(strstr(said, cases[i].said));
		assert_int_equal(tokens_identify(s.tokens, VIEWER).role, ROLE_NONE);
		assert_int_equal(tokens_count(s.tokens), 2);
	}
	site_free(&s);
}

static void bounds_files(void **state)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	struct site s;

	(void)state;
	site_new(&s);
	for (int i = 0; i <= TOKENS_MAX; i++)
		strbuf_addf(&text, "token-%032d\n", i);
	write_file(s.files[ROLE_VIEWER], strbuf_str(&text), 0600);
	assert_non_null(strstr(reload(s.tokens), "too many"));
	assert_int_equal(tokens_count(s.tokens), 2);
	site_free(&s);
}

/* ---- who may ---------------------------------------------------------------------------------------------- */

struct ask {
	enum http_method method;
	const char *path, *token, *cookie, *origin, *fetch_site, *body, *type;
};

static char answer_body[8192], answer_cookie[512], answer_location[256];

static unsigned int ask(const struct site *s, const struct ask *a)
{
	struct http_response res = { 0 };
	struct http_request req = {
		.method = a->method,
		.method_name = a->method == HTTP_POST ? "POST" : "GET",
		.path = a->path,
		.host = "kwhy.example:7070",
		.accept = "text/html",
		.origin = a->origin,
		.fetch_site = a->fetch_site,
		.cookie = a->cookie,
		.body = a->body,
		.content_type = a->type,
		.from = "192.0.2.7",
		.now_ns = time_wall_ns(),
	};
	char header[512];
	unsigned int status;

	if (a->token) {
		snprintf(header, sizeof(header), "Bearer %s", a->token);
		req.authorization = header;
	}
	routes_dispatch(s->web, &req, &res);
	status = res.status;
	snprintf(answer_body, sizeof(answer_body), "%s", strbuf_str(&res.body));
	snprintf(answer_cookie, sizeof(answer_cookie), "%s", strbuf_str(&res.cookie));
	snprintf(answer_location, sizeof(answer_location), "%s", strbuf_str(&res.location));
	http_response_cleanup(&res);
	return status;
}

static void admits_by_role(void **state)
{
	static const char silence[] = "{}";
	static const struct {
		struct ask ask;
		unsigned int status;
	} cases[] = {
		{ { .method = HTTP_GET, .path = "/healthz" }, 200 },
		{ { .method = HTTP_GET, .path = "/static/kwhy.css" }, 200 },
		{ { .method = HTTP_GET, .path = "/login" }, 200 },
		{ { .method = HTTP_GET, .path = "/rules" }, 401 },
		{ { .method = HTTP_GET, .path = "/metrics" }, 401 },
		{ { .method = HTTP_GET, .path = "/api/v1/openapi.json" }, 401 },
		{ { .method = HTTP_GET, .path = "/metrics", .token = VIEWER }, 200 },
		{ { .method = HTTP_GET, .path = "/metrics", .cookie = VIEWER }, 200 },
		{ { .method = HTTP_GET, .path = "/metrics", .token = "wrong-0123456789abcdef", .cookie = VIEWER }, 401 },
		{ { .method = HTTP_GET, .path = "/api/v1/audit", .token = OPERATOR }, 403 },
		{ { .method = HTTP_GET, .path = "/api/v1/audit", .token = ADMIN }, 200 },
		{ { .method = HTTP_POST, .path = "/api/v1/silences", .token = VIEWER, .body = silence, .type = "application/json" }, 403 },
		{ { .method = HTTP_POST, .path = "/api/v1/silences", .token = OPERATOR, .body = silence, .type = "application/json" }, 422 },
		{ { .method = HTTP_POST, .path = "/api/v1/silences", .token = ADMIN, .body = silence, .type = "application/json" }, 422 },
		{ { .method = HTTP_POST, .path = "/api/v1/silences", .body = silence, .type = "application/json" }, 401 },
		{ { .method = HTTP_OTHER, .path = "/metrics", .token = VIEWER }, 403 },
		{ { .method = HTTP_OTHER, .path = "/metrics", .token = OPERATOR }, 405 },
		/* Reads, though posted: 503 as there is no store. */
		{ { .method = HTTP_POST, .path = "/api/v1/query", .token = VIEWER, .body = "SELECT 1", .type = "text/plain" }, 503 },
	};
	struct site s;

	(void)state;
	site_new(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("# %zu %s\n", i, cases[i].ask.path);
		assert_int_equal(ask(&s, &cases[i].ask), cases[i].status);
	}
	assert_int_equal(ask(&s, &(struct ask){ .method = HTTP_GET, .path = "/rules" }), 401);
	assert_non_null(strstr(answer_body, "action=\"/login\""));
	assert_non_null(strstr(answer_body, "name=\"next\" value=\"/rules\""));
	site_free(&s);
}

static void refuses_pages_of_others(void **state)
{
	static const struct {
		const char *origin, *fetch_site;
		unsigned int status;
	} cases[] = {
		{ NULL, NULL, 422 },
		{ "https://kwhy.example:7070", NULL, 422 },
		{ "https://KWHY.example:7070", "same-origin", 422 },
		{ NULL, "none", 422 },
		{ "https://kwhy.example", NULL, 403 },
		{ "https://kwhy.example:7071", NULL, 403 },
		{ "https://evil.example", NULL, 403 },
		{ "https://kwhy.example:7070.evil", NULL, 403 },
		{ "null", NULL, 403 },
		{ "", NULL, 403 },
		{ NULL, "cross-site", 403 },
		{ "https://kwhy.example:7070", "same-site", 403 },
	};
	struct site s;

	(void)state;
	site_new(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ask a = { .method = HTTP_POST, .path = "/api/v1/silences",   .cookie = OPERATOR,
				       .origin = cases[i].origin, .fetch_site = cases[i].fetch_site, .body = "{}",
				       .type = "application/json" };

		print_message("# %s\n", cases[i].origin ? cases[i].origin : "none");
		assert_int_equal(ask(&s, &a), cases[i].status);
	}
	site_free(&s);
}

static void signs_in(void **state)
{
	static const struct {
		const char *body, *location;
		unsigned int status;
	} cases[] = {
		{ "token=" VIEWER "&next=%2Fevents%3Fkind%3Drunq", "/events?kind=runq", 303 },
		{ "token=" VIEWER, "/", 303 },
		{ "token=" VIEWER "&next=//evil.example", "/", 303 },
		{ "token=" VIEWER "&next=/%5Cevil.example", "/", 303 },
		{ "token=" VIEWER "&next=https://evil.example", "/", 303 },
		{ "token=" VIEWER "&next=/a%0d%0aSet-Cookie:b", "/", 303 },
		{ "token=wrong-0123456789abcdef", "", 401 },
		{ "token=a%3B%20b", "", 401 },
		{ "", "", 401 },
	};
	struct site s;

	(void)state;
	site_new(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ask a = { .method = HTTP_POST, .path = "/login", .body = cases[i].body };

		print_message("# %s\n", cases[i].body);
		assert_int_equal(ask(&s, &a), cases[i].status);
		assert_string_equal(answer_location, cases[i].location);
		if (cases[i].status == 303)
			assert_int_equal(strncmp(answer_cookie, "kwhy_token=" VIEWER "; Path=/; ", 40), 0);
		else
			assert_string_equal(answer_cookie, "");
	}
	assert_null(strstr(answer_cookie, "Secure")); /* no TLS here */
	assert_int_equal(ask(&s, &(struct ask){ .method = HTTP_POST, .path = "/logout", .cookie = VIEWER }), 303);
	assert_non_null(strstr(answer_cookie, "Max-Age=0"));
	site_free(&s);
}

/* ---- audit ------------------------------------------------------------------------------------------------ */

static json_t *entries_of(const struct site *s, int64_t limit)
{
	json_t *entries = NULL;

	assert_int_equal(audit_read(s->dir, 0, INT64_MAX, limit, &entries), 0);
	return entries;
}

static void notes_changes_and_refusals(void **state)
{
	const struct ask change = { .method = HTTP_POST, .path = "/api/v1/silences", .token = OPERATOR, .body = "{\"comment\": \"<b>\"}",
				    .type = "application/json" };
	json_t *entries, *e;
	struct site s;

	(void)state;
	site_new(&s);
	ask(&s, &(struct ask){ .method = HTTP_GET, .path = "/metrics", .token = VIEWER });
	ask(&s, &(struct ask){ .method = HTTP_GET, .path = "/metrics" });
	ask(&s, &change);
	ask(&s, &(struct ask){ .method = HTTP_GET, .path = "/api/v1/audit", .token = VIEWER });
	ask(&s, &(struct ask){ .method = HTTP_GET, .path = "/", .token = "guess-0123456789abcdef" });
	ask(&s, &(struct ask){ .method = HTTP_POST, .path = "/login", .body = "token=" ADMIN });
	ask(&s, &(struct ask){ .method = HTTP_POST, .path = "/login", .body = "token=" VIEWER });
	entries = entries_of(&s, 100);
	assert_int_equal(json_array_size(entries), 5);
	e = json_array_get(entries, 4);
	assert_string_equal(value_text(e, "who"), "operator");
	assert_string_equal(value_text(e, "path"), "/api/v1/silences");
	assert_string_equal(value_text(e, "from"), "192.0.2.7");
	assert_string_equal(value_text(e, "body"), change.body);
	assert_int_equal(value_int(e, "status", 0), 422);
	assert_int_equal(value_int(json_array_get(entries, 3), "status", 0), 403);
	assert_int_equal(value_int(json_array_get(entries, 2), "status", 0), 401);
	e = json_array_get(entries, 0);
	assert_string_equal(value_text(e, "who"), "ann");
	assert_null(json_object_get(e, "body")); /* the token */
	json_decref(entries);
	site_free(&s);
}

static void bounds_the_log(void **state)
{
	struct audit_entry e = { .ts_ns = 1, .who = "w", .role = "viewer", .from = "f", .method = "POST", .path = "/p",
				 .status = 403 };
	char path[PATH_MAX], body[600];
	json_t *entries;
	struct stat st;
	struct site s;

	(void)state;
	site_new(&s);
	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	for (int i = 0; i < AUDIT_REFUSALS + 7; i++)
		assert_int_equal(audit_write(s.audit, &e), 0);
	e.status = 200;
	e.ts_ns = 2;
	assert_int_equal(audit_write(s.audit, &e), 0);
	entries = entries_of(&s, 1000);
	assert_int_equal(json_array_size(entries), AUDIT_REFUSALS + 1);
	assert_int_equal(value_int(json_array_get(entries, 0), "unrecorded", 0), 7);
	json_decref(entries);
	e.body = body;
	for (int i = 0; i < 6000; i++) {
		e.ts_ns++;
		assert_int_equal(audit_write(s.audit, &e), 0);
	}
	snprintf(path, sizeof(path), "%s/reports/audit.jsonl", s.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= AUDIT_FILE_MAX);
	entries = entries_of(&s, 2000);
	assert_int_equal(json_array_size(entries), 2000);
	assert_int_equal(value_int(json_array_get(entries, 0), "ts_ns", 0), 6002);
	assert_int_equal(value_int(json_array_get(entries, 1999), "ts_ns", 0), 4003);
	assert_int_equal(strlen(value_text(json_array_get(entries, 0), "body")), 512);
	json_decref(entries);
	assert_int_equal(audit_read(s.dir, 5000, 5003, 10, &entries), 0);
	assert_int_equal(json_array_size(entries), 3);
	json_decref(entries);
	site_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_holders),
		cmocka_unit_test(reads_files_again),
		cmocka_unit_test(distrusts_files),
		cmocka_unit_test(bounds_files),
		cmocka_unit_test(admits_by_role),
		cmocka_unit_test(refuses_pages_of_others),
		cmocka_unit_test(signs_in),
		cmocka_unit_test(notes_changes_and_refusals),
		cmocka_unit_test(bounds_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
