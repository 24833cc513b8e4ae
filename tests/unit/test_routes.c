/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/embed.h"
#include "web/listen.h"
#include "web/routes.h"

static struct web *test_web(void)
{
	const struct web_options options = {
		.state_dir = "/nonexistent/kwhy", .host = "127.0.0.2", .listen = "x", .config = "a = b\n"
	};
	struct web *web = web_new(&options);

	assert_non_null(web);
	return web;
}

struct answer {
	unsigned int status;
	char allow[40], param[32], type[64], body[4096];
};

static struct answer ask(enum http_method method, const char *path, const char *query, const char *host,
			 const char *accept)
{
	AUTO_FREE char *copy = strdup(query);
	struct http_request req = { .method = method, .path = path, .host = host, .accept = accept };
	struct http_response res = { 0 };
	struct web *web = test_web();
	struct answer a = { 0 };

	http_parse_form(&req, copy);
	routes_dispatch(web, &req, &res);
	a.status = res.status;
	snprintf(a.allow, sizeof(a.allow), "%s", res.allow);
	snprintf(a.param, sizeof(a.param), "%s", res.param);
	snprintf(a.type, sizeof(a.type), "%s", res.type ? res.type : "");
	snprintf(a.body, sizeof(a.body), "%s", strbuf_str(&res.body));
	http_response_cleanup(&res);
	assert_int_equal(web_responses(web, a.status / 100), 1);
	web_free(web);
	return a;
}

static void finds_routes(void **state)
{
	char arg[64] = "";

	(void)state;
	assert_string_equal(routes_find("/", arg, sizeof(arg))->path, "/");
	assert_string_equal(routes_find("/incidents/01ABC", arg, sizeof(arg))->path, "/incidents/{id}");
	assert_string_equal(arg, "01ABC");
	assert_string_equal(routes_find("/api/v1/openapi.json", arg, sizeof(arg))->path, "/api/v1/openapi.json");
	assert_null(routes_find("/incidents/", arg, sizeof(arg)));
	assert_null(routes_find("/incidents/a/b", arg, sizeof(arg)));
	assert_null(routes_find("", arg, sizeof(arg)));
	assert_null(routes_find("/static/../secret", arg, sizeof(arg)));
	assert_null(routes_find("/incidents/0123456789012345678901234567890123456789012345678901234567890123456789",
				arg, sizeof(arg)));
}

static void answers_errors(void **state)
{
	struct answer a;

	(void)state;
	a = ask(HTTP_GET, "/nothing", "", "localhost:7070", NULL);
	assert_int_equal(a.status, 404);
	assert_string_equal(a.type, "application/problem+json");
	a = ask(HTTP_GET, "/nothing", "", "localhost:7070", "text/html");
	assert_string_equal(a.type, "text/html; charset=utf-8");
	a = ask(HTTP_POST, "/healthz", "", NULL, NULL);
	assert_int_equal(a.status, 405);
	assert_string_equal(a.allow, "GET, HEAD");
	a = ask(HTTP_OTHER, "/api/v1/query", "", NULL, NULL);
	assert_string_equal(a.allow, "GET, HEAD, POST");
	a = ask(HTTP_GET, "/api/v1/events", "kinds=runq", NULL, NULL);
	assert_int_equal(a.status, 400);
	assert_string_equal(a.param, "kinds");
	assert_non_null(strstr(a.body, "\"parameter\":\"kinds\""));
	a = ask(HTTP_GET, "/api/v1/incidents", "", NULL, NULL);
	assert_int_equal(a.status, 503);
	a = ask(HTTP_GET, "/static/none.css", "", NULL, NULL);
	assert_int_equal(a.status, 404);
	a = ask(HTTP_GET, "/", "", NULL, "text/html");
	assert_int_equal(a.status, 503);
	assert_non_null(strstr(a.body, "<h1>Not available</h1>"));
}

static void answers_without_a_store(void **state)
{
	struct answer a;

	(void)state;
	a = ask(HTTP_HEAD, "/healthz", "", NULL, NULL);
	assert_int_equal(a.status, 200);
	a = ask(HTTP_GET, "/readyz", "", NULL, NULL);
	assert_int_equal(a.status, 503);
	assert_non_null(strstr(a.body, "\"ready\":false"));
	assert_non_null(strstr(a.body, "\"what\":\"store\""));
	a = ask(HTTP_GET, "/metrics", "", NULL, "text/plain");
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.body, "# TYPE kwhy_http_responses_total counter"));
	assert_null(strstr(a.body, "# EOF"));
	a = ask(HTTP_GET, "/metrics", "", NULL, "application/openmetrics-text; version=1.0.0");
	assert_non_null(strstr(a.body, "# TYPE kwhy_http_responses counter"));
	assert_non_null(strstr(a.body, "kwhy_http_responses_total{status=\"2xx\"} 0"));
	assert_string_equal(a.body + strlen(a.body) - 6, "# EOF\n");
	a = ask(HTTP_GET, "/static/kwhy.css", "", NULL, NULL);
	assert_string_equal(a.type, "text/css; charset=utf-8");
}

/* Every cause has a page, made from the rules; no store is needed for it. */
static void shows_rules(void **state)
{
	struct answer a;

	(void)state;
	a = ask(HTTP_GET, "/rules", "", NULL, "text/html");
	assert_int_equal(a.status, 200);
	assert_string_equal(a.type, "text/html; charset=utf-8");
	a = ask(HTTP_GET, "/rules", "format=json", NULL, NULL);
	assert_string_equal(a.type, "application/json");
	a = ask(HTTP_GET, "/rules/cpu.neighbor", "", NULL, "text/html");
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.body, "Another container occupied the CPU</h1>"));
	assert_int_equal(ask(HTTP_GET, "/rules/cpu.none", "", NULL, NULL).status, 404);
	a = ask(HTTP_GET, "/rules/<b>", "", NULL, "text/html");
	assert_int_equal(a.status, 404);
	assert_null(strstr(a.body, "<b>\""));
	assert_non_null(strstr(a.body, "&lt;b&gt;"));
}

/* A name that an attacker's DNS points at loopback must not be answered. */
static void refuses_foreign_hosts(void **state)
{
	static const struct {
		const char *host;
		bool allowed;
	} cases[] = {
		{ "localhost", true },
		{ "localhost:7070", true },
		{ "127.0.0.1:7070", true },
		{ "[::1]:7070", true },
		{ "LocalHost", true },
		{ "127.0.0.2:1", true },
		{ NULL, true },
		{ "evil.example", false },
		{ "localhost.evil", false },
		{ "localhost:70x", false },
		{ "[::1", false },
		{ "[::2]", false },
		{ "127.0.0.1.evil:7070", false },
		{ "local", false },
		{ "127.0.0.1@evil", false },
		{ "[::1]x", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("# %s\n", cases[i].host ? cases[i].host : "none");
		assert_int_equal(http_host_allowed(cases[i].host, "127.0.0.2"), cases[i].allowed);
	}
	assert_int_equal(ask(HTTP_GET, "/healthz", "", "evil.example", NULL).status, 421);
}

static void decodes_forms(void **state)
{
	char text[] = "a=1%202&b=x+y&c&d=%zz&%65=%41%00hidden&=v";
	struct http_request req = { 0 };

	(void)state;
	http_parse_form(&req, text);
	assert_int_equal(req.param_count, 6);
	assert_string_equal(http_param(&req, "a"), "1 2");
	assert_string_equal(http_param(&req, "b"), "x y");
	assert_null(http_param(&req, "c"));
	assert_string_equal(http_param(&req, "d"), "%zz");
	assert_string_equal(http_param(&req, "e"), "A");
	assert_null(http_param(&req, "absent"));
}

static void encodes_what_it_decodes(void **state)
{
	char original[256], copy[1024];
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;

	(void)state;
	for (int i = 1; i < 256; i++)
		original[i - 1] = (char)i;
	original[255] = 0;
	http_url_encode(&out, original);
	assert_null(strpbrk(strbuf_str(&out), "&=+ \"'<>#"));
	snprintf(copy, sizeof(copy), "%s", strbuf_str(&out));
	http_url_decode(copy);
	assert_string_equal(copy, original);
}

static void bounds_parameters(void **state)
{
	struct http_request req = { 0 };
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	AUTO_FREE char *copy = NULL;

	(void)state;
	for (int i = 0; i < HTTP_PARAMS_MAX + 1; i++)
		strbuf_addf(&text, "p%d=1&", i);
	copy = strdup(strbuf_str(&text));
	http_parse_form(&req, copy);
	assert_int_equal(req.param_count, HTTP_PARAMS_MAX);
	assert_true(req.too_many_params);
	assert_int_equal(ask(HTTP_GET, "/api/v1/query", strbuf_str(&text), NULL, NULL).status, 400);
}

static void checks_parameters(void **state)
{
	static const char *const choices[] = { "open", "resolved", NULL };
	struct http_response res = { 0 };
	struct http_request req = { .now_ns = 1795341600000000000 };
	char text[] = "n=7&big=99999999999999999999&neg=-1&when=-5min&bad=soon&status=closed&good=open&float=1.5";
	const char *choice = "before";
	int64_t value = 3;

	(void)state;
	http_parse_form(&req, text);
	assert_int_equal(http_param_int(&req, &res, "absent", 1, 9, &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(http_param_int(&req, &res, "n", 1, 9, &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(http_param_int(&req, &res, "big", 1, 9, &value), -EINVAL);
	assert_int_equal(http_param_int(&req, &res, "neg", 1, 9, &value), -EINVAL);
	assert_int_equal(http_param_int(&req, &res, "float", 1, 9, &value), -EINVAL);
	assert_string_equal(res.param, "float");
	assert_int_equal(res.status, 400);
	assert_int_equal(http_param_time(&req, &res, "when", &value), 0);
	assert_int_equal(value, 1795341300000000000);
	assert_int_equal(http_param_time(&req, &res, "bad", &value), -EINVAL);
	assert_int_equal(http_param_choice(&req, &res, "status", choices, &choice), -EINVAL);
	assert_string_equal(choice, "before");
	assert_int_equal(http_param_choice(&req, &res, "good", choices, &choice), 0);
	assert_string_equal(choice, "open");
	http_response_cleanup(&res);
}

static void listens_on_loopback_only(void **state)
{
	static const struct {
		const char *text, *url;
		int error;
		unsigned int guard;
	} cases[] = {
		{ "127.0.0.1:7070", "http://127.0.0.1:7070/", 0, 0 },
		{ "localhost:80", "http://127.0.0.1:80/", 0, 0 },
		{ "[::1]:7070", "http://[::1]:7070/", 0, WEB_TOKENS },
		{ "[::1]:7070", "https://[::1]:7070/", 0, WEB_TLS },
		{ "127.1.2.3:1", "http://127.1.2.3:1/", 0, 0 },
		{ "unix:/run/k.sock", "unix:/run/k.sock", 0, WEB_TLS },
		{ "0.0.0.0:7070", NULL, -EACCES, 0 },
		{ "10.1.1.1:7070", NULL, -EACCES, 0 },
		{ "10.1.1.1:7070", NULL, -EACCES, WEB_TLS },
		{ "10.1.1.1:7070", NULL, -EACCES, WEB_TOKENS },
		{ "10.1.1.1:7070", "https://10.1.1.1:7070/", 0, WEB_TLS | WEB_TOKENS },
		{ "[2001:db8::1]:7070", "https://[2001:db8::1]:7070/", 0, WEB_TLS | WEB_TOKENS },
		{ "[::]:7070", NULL, -EACCES, 0 },
		{ "[::ffff:10.1.1.1]:7070", NULL, -EACCES, 0 },
		{ "7070", NULL, -EINVAL, 0 },
		{ "127.0.0.1", NULL, -EINVAL, 0 },
		{ "127.0.0.1:x", NULL, -EINVAL, 0 },
		{ "127.0.0.1:70000", NULL, -EINVAL, 0 },
		{ "unix:", NULL, -EINVAL, 0 },
		{ "[]:1", NULL, -EINVAL, 0 },
		{ "", NULL, -EINVAL, 0 },
		{ "127.0.0.1:-1", NULL, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf err = STRBUF_INIT;
		struct web_listen l;

		print_message("# %s\n", cases[i].text);
		assert_int_equal(web_listen_parse(cases[i].text, cases[i].guard, &l, &err), cases[i].error);
		if (cases[i].url)
			assert_string_equal(l.url, cases[i].url);
		else
			assert_true(err.len > 0);
	}
}

/* ---- the route table and the API's document hold each other ---- */

static json_t *load_document(void)
{
	const struct embedded_file *file = embedded_find("schema/openapi.json");
	json_t *document;

	assert_non_null(file);
	document = json_loadb(file->data, file->size, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(document);
	return document;
}

static bool documented(const json_t *operation, const char *name, size_t len, const char *in)
{
	json_t *param;
	size_t i;

	json_array_foreach (json_object_get(operation, "parameters"), i, param) {
		const char *known = json_string_value(json_object_get(param, "name"));

		if (strlen(known) == len && !strncmp(known, name, len) &&
		    !strcmp(json_string_value(json_object_get(param, "in")), in))
			return true;
	}
	return false;
}

static void check_operation(const struct route *route, const json_t *operation)
{
	size_t expected = 0;

	print_message("# %s\n", route->path);
	assert_non_null(operation);
	for (const char *p = route->params; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (!documented(operation, p, n, "query"))
			fail_msg("%.*s of %s is not in schema/openapi.json", (int)n, p, route->path);
		expected++;
		p += n;
	}
	if (strstr(route->path, "{id}")) {
		assert_true(documented(operation, "id", 2, "path"));
		expected++;
	}
	assert_int_equal(json_array_size(json_object_get(operation, "parameters")), expected);
}

static void routes_are_documented(void **state)
{
	json_t *document = load_document(), *paths = json_object_get(document, "paths");
	const struct route *route;
	size_t api = 0;

	(void)state;
	for (size_t i = 0; (route = routes_at(i)); i++) {
		json_t *item = json_object_get(paths, route->path);

		if (!(route->flags & ROUTE_API)) {
			assert_null(item);
			continue;
		}
		api++;
		if (route->methods & HTTP_GET)
			check_operation(route, json_object_get(item, "get"));
		if (route->methods & HTTP_POST)
			check_operation(route, json_object_get(item, "post"));
		assert_int_equal(json_object_size(item),
				 (route->methods & HTTP_GET ? 1 : 0) + (route->methods & HTTP_POST ? 1 : 0));
	}
	assert_int_equal(json_object_size(paths), api);
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_routes),
		cmocka_unit_test(answers_errors),
		cmocka_unit_test(answers_without_a_store), cmocka_unit_test(shows_rules),
		cmocka_unit_test(refuses_foreign_hosts),
		cmocka_unit_test(decodes_forms),
		cmocka_unit_test(encodes_what_it_decodes),
		cmocka_unit_test(bounds_parameters),
		cmocka_unit_test(checks_parameters),
		cmocka_unit_test(listens_on_loopback_only),
		cmocka_unit_test(routes_are_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
