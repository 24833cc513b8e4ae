/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "cli/report_text.h"
#include "web/html.h"
#include "web/render_chain.h"
#include "web/render_report.h"

static const struct report_links links = { .address = "/incidents/01KAYQ0000000000000000ABCD", .stored = true };

static const char sample[] =
	"{\"schema\":\"kwhy.report/v1\",\"id\":\"01KAYQ0000000000000000ABCD\",\"revision\":2,\"status\":\"resolved\","
	"\"severity\":\"warning\",\"cause\":\"cpu.neighbor\",\"headline\":\"web waited 1.2 s for a CPU because batch "
	"ran\","
	"\"confidence\":{\"level\":\"confirmed\",\"basis\":[\"occupied_by\"],\"capped_by\":[\"lost records\"]},"
	"\"window\":{\"onset_ns\":\"1795341600000000000\",\"detected_ns\":\"1795341602000000000\","
	"\"peak_ns\":\"1795341603000000000\",\"end_ns\":\"1795341605000000000\"},"
	"\"node\":{\"name\":\"node1\",\"boot_id\":\"b\",\"kernel\":\"6.1\",\"arch\":\"x86_64\"},"
	"\"resource\":{\"kind\":\"cpu\",\"name\":\"cpu\"},"
	"\"victims\":[{\"container\":{\"ref\":\"c1\",\"name\":\"web\",\"cgroup\":\"/web\"},"
	"\"impact\":[{\"name\":\"cpu wait\",\"value\":\"1200000000\",\"unit\":\"ns\",\"baseline\":\"30000000\"}],"
	"\"tasks\":[{\"pid\":7,\"tid\":7,\"comm\":\"nginx\",\"start_time_ns\":\"1\"}]}],"
	"\"culprits\":[{\"container\":{\"ref\":\"c2\",\"name\":\"batch\",\"cgroup\":\"/"
	"batch\"},\"share\":0.8,\"self\":false,"
	"\"tasks\":[],\"what\":\"ran on its CPUs\"},"
	"{\"container\":null,\"share\":0.002,\"self\":false,\"tasks\":[],\"what\":\"irq:eth0\"}],"
	"\"bystanders\":[{\"container\":{\"ref\":\"c3\",\"name\":\"cron\"},\"why\":\"ran on other CPUs\"}],"
	"\"budget\":[{\"state\":\"on_cpu\",\"culprit\":null,\"ns\":\"3000000000\"},"
	"{\"state\":\"runnable\",\"culprit\":{\"ref\":\"c2\",\"name\":\"batch\"},\"ns\":\"1000000000\"}],"
	"\"chain\":{\"nodes\":[{\"id\":\"v\",\"container\":{\"ref\":\"c1\",\"name\":\"web\"}},{\"id\":\"c\",\"what\":"
	"\"batch run\"}],"
	"\"edges\":[{\"from\":\"v\",\"to\":\"c\",\"mechanism\":\"occupied the run "
	"queue\",\"lag_ns\":\"5000000\",\"evidence\":[\"e1\"]}]},"
	"\"evidence\":[{\"id\":\"e1\",\"kind\":\"require\",\"claim\":\"web was runnable for 1.2 s\",\"sql\":\"SELECT 1 "
	"AS x\","
	"\"params\":{\":victim\":5,\":from\":\"17\"},\"rows\":[{\"x\":1}],\"observed\":\"1200000000\",\"baseline\":"
	"null,\"unit\":\"ns\"},"
	"{\"id\":\"cpu.self/own@5\",\"kind\":\"refute\",\"claim\":\"own tasks held nothing\",\"sql\":\"SELECT "
	"2\",\"params\":{},\"rows\":[]}],"
	"\"hypotheses\":[{\"cause\":\"cpu.self\",\"verdict\":\"ruled_out\",\"tests\":[{\"name\":\"own_tasks\","
	"\"expected\":\"0.5\","
	"\"observed\":\"0.1\",\"pass\":false,\"evidence\":[\"cpu.self/"
	"own@5\"]}]},{\"cause\":\"cpu.steal\",\"verdict\":\"untestable\",\"tests\":[]}],"
	"\"timeline\":[{\"ts_ns\":\"1795341601000000000\",\"kind\":\"runq\",\"text\":\"a wait of 40 "
	"ms\",\"evidence\":[\"e1\"]}],"
	"\"data_quality\":{\"coverage\":0.97,\"lost\":[{\"probe\":\"runq\",\"count\":12}],\"missing\":[{\"probe\":"
	"\"lock\",\"why\":\"no BTF\"}]},"
	"\"remediation\":[{\"action\":\"Lower its weight\",\"command\":\"echo 50 > "
	"x\",\"risk\":\"slower\",\"reversible\":true,"
	"\"verify_sql\":\"SELECT :victim\"}],"
	"\"generator\":{\"version\":\"9.9\",\"rules_sha256\":\"aa\",\"config_sha256\":\"bb\"}}";

static json_t *load_sample(void)
{
	json_t *report = json_loads(sample, 0, NULL);

	assert_non_null(report);
	return report;
}

#define assert_has(text, part)                                             \
	do {                                                               \
		if (!strstr(text, part))                                   \
			fail_msg("\"%s\" is missing in:\n%s", part, text); \
	} while (0)

#define assert_lacks(text, part)                                   \
	do {                                                       \
		if (strstr(text, part))                            \
			fail_msg("\"%s\" is in:\n%s", part, text); \
	} while (0)

static unsigned int count(const char *text, const char *part)
{
	unsigned int n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void page_has_every_part(void **state)
{
	static const char *const parts[] = {
		"<h1>web waited 1.2 s for a CPU because batch ran</h1>",
		"revision 2",
		"</span> warning</span>",
		"</span> resolved</span>",
		"</span> confirmed</span>",
		"the kernel itself showed the causal edge",
		"lost records",
		"<time datetime=\"2026-11-22T10:00:00.000Z\">2026-11-22 10:00:00.000</time>",
		"node1",
		"<b>1.2 s</b>, usually 30 ms",
		"<code>nginx</code> 7",
		"80 %",
		"ran on its CPUs",
		"1 more with less than 1 %",
		"ran on other CPUs",
		"batch run",
		"occupied the run queue",
		"<title>on_cpu</title>",
		"x=\"75.000%\" width=\"25.000%\"",
		"75.0 %",
		"25.0 %",
		"id=\"ev-e1\"",
		"href=\"#ev-e1\"",
		"SELECT 1 AS x",
		"p_victim=5",
		"p_from=17",
		"own tasks held nothing",
		"1 more, from testing other explanations",
		"ruled out",
		"untestable",
		"a wait of 40 ms",
		"97 %",
		"12 lost",
		"no BTF",
		"Lower its weight",
		"echo 50 &gt; x",
		"reversible",
		"kwhy 9.9",
		"?format=json",
		"?format=md",
	};
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	json_t *report = load_sample();

	(void)state;
	render_report_article(&b, report, &links);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		assert_has(strbuf_str(&b), parts[i]);
	assert_lacks(strbuf_str(&b), " style=");
	assert_lacks(strbuf_str(&b), "onclick");
	json_decref(report);
}

static void tags_balance(void **state)
{
	static const char *const names[] = { "section", "table",   "tbody",   "thead",	"tr",	  "td",
					     "ol",	"ul",	   "li",      "dl",	"dt",	  "dd",
					     "details", "summary", "article", "header", "footer", "svg",
					     "g",	"pre",	   "p",	      "strong" };
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	json_t *report = load_sample();
	char open[32], close[32];

	(void)state;
	render_report_article(&b, report, &links);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *html = strbuf_str(&b);

		snprintf(open, sizeof(open), "<%s>", names[i]);
		snprintf(close, sizeof(close), "</%s>", names[i]);
		unsigned int opened = count(html, open);

		snprintf(open, sizeof(open), "<%s ", names[i]);
		opened += count(html, open);
		print_message("# %s\n", names[i]);
		assert_int_equal(opened, count(html, close));
		assert_true(opened > 0);
	}
	json_decref(report);
}

static void export_stands_alone(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	json_t *report = load_sample();

	(void)state;
	render_report_html(&b, report);
	assert_true(!strncmp(strbuf_str(&b), "<!doctype html>", 15));
	assert_has(strbuf_str(&b), "--accent:");
	assert_has(strbuf_str(&b), "</html>");
	assert_lacks(strbuf_str(&b), "href=\"/");
	assert_lacks(strbuf_str(&b), "src=");
	assert_lacks(strbuf_str(&b), "<script");
	json_decref(report);
}

static void markdown_has_every_part(void **state)
{
	static const char *const parts[] = {
		"# web waited 1.2 s for a CPU because batch ran\n",
		"- **Cause:** cpu.neighbor",
		"| victim | web |",
		"| culprit | batch | 80 %: ",
		"| not to blame | cron |",
		"| runnable | batch | 1 s |",
		"```sql\nSELECT 1 AS x\n```",
		"```sh\necho 50 > x\n```",
		"| cpu.self | ruled\\_out | own\\_tasks |",
		"- Lost: runq 12",
		"- Missing: lock: no BTF",
	};
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	json_t *report = load_sample();

	(void)state;
	render_report_markdown(&b, report);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		assert_has(strbuf_str(&b), parts[i]);
	json_decref(report);
}

/* What speaks for the cause stands apart from what other causes lacked, each of which is said once. */
static void the_terminal_tells_what_it_was_not(void **state)
{
	static const char *const parts[] = {
		"\nEvidence\n",
		"\nWhat it was not\n  - cpu.self, ruled out: own tasks held nothing\n  - cpu.steal, could not be tested\n",
	};
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	json_t *report = load_sample();
	json_t *other = json_array_get(json_object_get(report, "evidence"), 1);

	(void)state;
	json_object_set_new(other, "holds", json_true());
	report_text(&b, report, 80, false);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		assert_has(strbuf_str(&b), parts[i]);
	assert_lacks(strbuf_str(&b), "  - own tasks held nothing");
	strbuf_reset(&b);
	json_object_set_new(other, "holds", json_false());
	report_text(&b, report, 0, false);
	assert_has(strbuf_str(&b), "cpu.self, ruled out: only this was seen: own tasks held nothing\n");
	json_decref(report);
}

/* Puts the text in place of every string of the report. */
static void poison(json_t *value, const char *text)
{
	json_t *child;
	const char *key;
	size_t i;
	void *next;

	if (json_is_object(value))
		json_object_foreach_safe(value, next, key, child)
		{
			if (json_is_string(child))
				json_object_set_new(value, key, json_string_nocheck(text));
			else
				poison(child, text);
		}
	else
		json_array_foreach (value, i, child) {
			if (json_is_string(child))
				json_array_set_new(value, i, json_string_nocheck(text));
			else
				poison(child, text);
		}
}

static void check_hostile(const char *text)
{
	AUTO(strbuf) struct strbuf html = STRBUF_INIT, markdown = STRBUF_INIT, plain = STRBUF_INIT;
	json_t *report = load_sample();

	poison(report, text);
	render_report_article(&html, report, &links);
	render_report_markdown(&markdown, report);
	report_text(&plain, report, 80, false);
	assert_lacks(strbuf_str(&html), "<script");
	assert_lacks(strbuf_str(&html), "<img");
	assert_lacks(strbuf_str(&html), "\" onload");
	assert_lacks(strbuf_str(&html), "\033");
	assert_lacks(strbuf_str(&markdown), "\033");
	assert_lacks(strbuf_str(&plain), "\033");
	json_decref(report);
}

static void hostile_strings_are_escaped(void **state)
{
	(void)state;
	check_hostile("</code></pre><script>alert(1)</script>");
	check_hostile("\" onload=\"alert(1)");
	check_hostile("'><img src=x onerror=alert(1)>");
	check_hostile("\033]0;owned\007\033[31m");
	check_hostile("\xff\xfe\xc0\x80 bad utf-8 \xe2\x28\xa1");
	check_hostile("\"/><svg onload=alert(1)>");
	check_hostile("");
}

static void markdown_cannot_break_out(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	json_t *report = load_sample();

	(void)state;
	json_object_set_new(report, "headline", json_string("a | b <script> [x](http://e) `c`\n# not a title"));
	json_object_set_new(json_array_get(json_object_get(report, "evidence"), 0), "sql",
			    json_string("SELECT '```'\n```\n# out"));
	render_report_markdown(&b, report);
	assert_has(strbuf_str(&b), "# a \\| b &lt;script\\> \\[x\\](http://e) \\`c\\`");
	assert_has(strbuf_str(&b), "````sql\nSELECT '```'\n```\n# out\n````");
	assert_lacks(strbuf_str(&b), "\n# not a title");
	json_decref(report);
}

static void any_json_is_rendered(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"victims\":1,\"culprits\":\"x\",\"budget\":{},\"chain\":[],\"evidence\":[1,\"a\",null],\"timeline\":"
		"[[]]}",
		"{\"budget\":[{\"ns\":\"-5\"},{\"ns\":0}],\"culprits\":[{\"share\":\"NaN\"},{\"share\":1e308}]}",
		"{\"victims\":[{\"container\":null,\"impact\":[{\"value\":1e300,\"unit\":\"ns\"}]}]}",
		"{\"window\":{\"onset_ns\":9223372036854775807,\"end_ns\":-1},\"hypotheses\":[{\"tests\":[{\"pass\":"
		"null}]}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO(strbuf) struct strbuf b = STRBUF_INIT;
		json_t *report = json_loads(texts[i], 0, NULL);

		assert_non_null(report);
		render_report_article(&b, report, &links);
		render_report_markdown(&b, report);
		report_text(&b, report, 80, true);
		assert_true(b.len > 100);
		json_decref(report);
	}
}

static void quantities_have_units(void **state)
{
	static const struct {
		double value;
		const char *unit, *text;
	} cases[] = {
		{ 1200000000, "ns", "1.2 s" }, { 1536, "bytes", "1.5 KiB" },	  { 0.125, "ratio", "12.5 %" },
		{ 42, "count", "42" },	       { 3.5, "packets", "3.5 packets" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(strbuf) struct strbuf b = STRBUF_INIT;

		text_quantity(&b, cases[i].value, cases[i].unit);
		assert_string_equal(strbuf_str(&b), cases[i].text);
	}
}

/* ---- the chain as a graph ---- */

static void draw(const char *json, struct strbuf *b)
{
	json_t *chain = json_loads(json, 0, NULL);

	assert_non_null(chain);
	render_chain(b, chain);
	json_decref(chain);
}

static size_t count_of(const struct strbuf *b, const char *what)
{
	size_t n = 0;

	for (const char *p = strbuf_str(b); (p = strstr(p, what)); p++)
		n++;
	return n;
}

/* A throttled holder of a lock: root, hop, victim; and a second victim of the root below the hop. */
static void draws_chains(void **state)
{
	static const char json[] =
		"{\"nodes\":[{\"id\":\"v\",\"container\":{\"name\":\"web\"}},{\"id\":\"h\",\"container\":{\"name\":\"h<o>lder\"}},"
		"{\"id\":\"q\",\"what\":\"a quota with a name that is much too long for its box\"},{\"id\":\"w\",\"label\":\"other\"}],"
		"\"edges\":[{\"from\":\"h\",\"to\":\"v\",\"mechanism\":\"held a lock that web waited for\"},"
		"{\"from\":\"q\",\"to\":\"h\",\"mechanism\":\"stopped it\"},{\"from\":\"q\",\"to\":\"w\",\"mechanism\":\"x\"},"
		"{\"from\":\"q\",\"to\":\"nobody\",\"mechanism\":\"is left out\"}]}";
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	draw(json, &b);
	assert_int_equal(count_of(&b, "class=\"box "), 4);
	assert_int_equal(count_of(&b, "class=\"box victim\""), 2);
	assert_int_equal(count_of(&b, "class=\"box culprit\""), 1);
	assert_int_equal(count_of(&b, "class=\"box between\""), 1);
	assert_int_equal(count_of(&b, "class=\"way\""), 3);
	assert_non_null(strstr(strbuf_str(&b), "h&lt;o&gt;lder"));
	assert_non_null(strstr(strbuf_str(&b), "…"));
	assert_null(strstr(strbuf_str(&b), "is left out"));
	/* Three layers of 220 with gaps of 200, two rows. */
	assert_non_null(strstr(strbuf_str(&b), "width=\"1072\" height=\"236\""));
}

static void draws_circles_and_nothing(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;

	(void)state;
	draw("{\"nodes\":[{\"id\":1},{\"id\":2}],\"edges\":[{\"from\":1,\"to\":2},{\"from\":2,\"to\":1},{\"from\":1,\"to\":1}]}", &b);
	assert_int_equal(count_of(&b, "class=\"way\""), 2);
	strbuf_reset(&b);
	draw("{\"nodes\":[{\"id\":1}],\"edges\":[]}", &b);
	draw("{\"nodes\":7,\"edges\":{\"from\":1}}", &b);
	draw("{}", &b);
	assert_int_equal(b.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_chains),
		cmocka_unit_test(draws_circles_and_nothing),
		cmocka_unit_test(page_has_every_part),	       cmocka_unit_test(tags_balance),
		cmocka_unit_test(export_stands_alone),	       cmocka_unit_test(markdown_has_every_part),
		cmocka_unit_test(the_terminal_tells_what_it_was_not),
		cmocka_unit_test(hostile_strings_are_escaped), cmocka_unit_test(markdown_cannot_break_out),
		cmocka_unit_test(any_json_is_rendered),	       cmocka_unit_test(quantities_have_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
