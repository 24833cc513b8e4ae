/* SPDX-License-Identifier: Apache-2.0 */
#include "web/render_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/timeutil.h"
#include "web/html.h"
#include "web/http.h"
#include "web/render_chain.h"
#include "web/rows.h"

#define TIMELINE_HEAD 8
#define TIMELINE_TAIL 4
#define SEGMENTS_MAX 26 /* one letter each */
/* The console's window around an incident, for baselines. */
#define CONSOLE_MARGIN_NS (120 * NSEC_PER_SEC)
#define CHARTS_AFTER_NS (30 * NSEC_PER_SEC)

static void text(struct strbuf *b, const char *before, const char *value, const char *after)
{
	strbuf_addstr(b, before);
	strbuf_add_html(b, value);
	strbuf_addstr(b, after);
}

/* "on_cpu" as people write it. */
static void words(struct strbuf *b, const char *name)
{
	AUTO_FREE char *copy = strdup(name);

	for (char *c = copy; c && *c; c++)
		if (*c == '_')
			*c = ' ';
	strbuf_add_html(b, copy ? copy : name);
}

/* "cpu", "block sda": the name where it says more than the kind. */
static void resource_text(struct strbuf *b, const json_t *resource)
{
	strbuf_add_html(b, value_text(resource, "kind"));
	if (*value_text(resource, "name") && strcmp(value_text(resource, "name"), value_text(resource, "kind")))
		text(b, " ", value_text(resource, "name"), "");
}

static void section(struct strbuf *b, const char *id, const char *title)
{
	strbuf_addf(b, "<section aria-labelledby=\"h-%s\" id=\"%s\">\n<h2 id=\"h-%s\">%s</h2>\n", id, id, id, title);
}

static void join(struct strbuf *b, const json_t *array)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)array, i, item) {
		if (i)
			strbuf_addstr(b, ", ");
		html_value(b, "", item);
	}
}

/* Ids of evidence may be long, "cpu.neighbor/waits@42": what people need of it is between '/' and '@'. */
static void short_id(struct strbuf *b, const char *id)
{
	const char *slash = strchr(id, '/'), *from = slash ? slash + 1 : id;
	AUTO_FREE char *name = strndup(from, strcspn(from, "@"));

	words(b, name && *name ? name : id);
}

/* Anchors of the evidence that an edge, a test or a moment rests on. */
static void evidence_links(struct strbuf *b, const json_t *ids)
{
	json_t *id;
	size_t i;

	json_array_foreach ((json_t *)ids, i, id) {
		const char *name = json_string_value(id);

		text(b, " <a class=\"ref\" href=\"#ev-", name ? name : "", "\">");
		short_id(b, name ? name : "?");
		strbuf_addstr(b, "</a>");
	}
}

static void tasks(struct strbuf *b, const json_t *list)
{
	json_t *task;
	size_t i;

	json_array_foreach ((json_t *)list, i, task) {
		if (i)
			strbuf_addstr(b, ", ");
		if (i == 4) {
			strbuf_addf(b, "and %zu more", json_array_size(list) - i);
			return;
		}
		text(b, "<code>", value_text(task, "comm"), "</code>");
		strbuf_addf(b, " %lld", (long long)value_int(task, "pid", 0));
	}
}

/* ---- head ---- */

static void confidence_note(struct strbuf *b, const json_t *confidence)
{
	const json_t *basis = json_object_get(confidence, "basis"), *caps = json_object_get(confidence, "capped_by");
	const char *level = value_text(confidence, "level"), *meaning = confidence_meaning(level);

	text(b, "<p class=\"note\"><strong class=\"level\">", level, "</strong>");
	if (*meaning)
		text(b, ": ", meaning, ".");
	if (json_array_size(basis)) {
		strbuf_addstr(b, " Basis: ");
		join(b, basis);
		strbuf_addstr(b, ".");
	}
	if (json_array_size(caps)) {
		strbuf_addstr(b, " <strong>Capped by</strong> ");
		join(b, caps);
		strbuf_addstr(b, ".");
	}
	strbuf_addstr(b, "</p>\n");
}

static void fact(struct strbuf *b, const char *name)
{
	strbuf_addf(b, "</dd></div><div><dt>%s</dt><dd>", name);
}

static void facts(struct strbuf *b, const json_t *report)
{
	const json_t *window = json_object_get(report, "window"), *node = json_object_get(report, "node");
	const json_t *resource = json_object_get(report, "resource");
	int64_t onset = value_int(window, "onset_ns", 0), end = value_int(window, "end_ns", 0);
	int64_t detected = value_int(window, "detected_ns", 0);

	strbuf_addstr(b, "<dl class=\"facts\"><div><dt>Onset</dt><dd>");
	html_time(b, onset);
	fact(b, "Detected");
	if (detected >= onset && onset > 0) {
		html_span(b, detected - onset);
		strbuf_addstr(b, " later");
	} else {
		html_time(b, detected);
	}
	fact(b, "Ended");
	if (end > 0)
		html_time(b, end);
	else
		strbuf_addstr(b, "still going on");
	if (end >= onset && end > 0) {
		fact(b, "Duration");
		html_span(b, end - onset);
	}
	fact(b, "Resource");
	resource_text(b, resource);
	fact(b, "Node");
	text(b, "", value_text(node, "name"), "<br>");
	text(b, "<small>", value_text(node, "kernel"), " ");
	text(b, "", value_text(node, "arch"), "</small></dd></div></dl>\n");
}

static void head(struct strbuf *b, const json_t *report, const struct report_links *links)
{
	const json_t *confidence = json_object_get(report, "confidence");
	const char *id = value_text(report, "id");

	strbuf_addstr(b, "<header class=\"report-head\">\n<p class=\"eyebrow\">");
	if (links)
		strbuf_addstr(b, "<a href=\"/incidents\">Incidents</a> / ");
	text(b, "<span class=\"id\">", id, "</span>");
	strbuf_addf(b, " · revision %lld</p>\n<h1>", (long long)value_int(report, "revision", 0));
	text(b, "", value_text(report, "headline"), "</h1>\n<p class=\"badges\">");
	html_severity(b, value_text(report, "severity"));
	html_status(b, value_text(report, "status"));
	html_confidence(b, value_text(confidence, "level"));
	(links ? html_cause_link : html_cause)(b, value_text(report, "cause"));
	strbuf_addstr(b, "</p>\n");
	confidence_note(b, confidence);
	facts(b, report);
	strbuf_addstr(b, "</header>\n");
}

/* ---- who did what to whom ---- */

static const char arrow[] =
	"<li class=\"arrow\" aria-hidden=\"true\"><svg viewBox=\"0 0 40 20\" width=\"40\" height=\"20\">"
	"<path d=\"M2 10h33M28 3l8 7-8 7\"/></svg></li>\n";

static void impact_text(struct strbuf *b, const json_t *impact)
{
	double base = value_number(impact, "baseline");

	text(b, "", value_text(impact, "name"), " ");
	strbuf_addstr(b, "<b>");
	html_quantity(b, value_number(impact, "value"), value_text(impact, "unit"));
	strbuf_addstr(b, "</b>");
	if (!isnan(base)) {
		strbuf_addstr(b, ", usually ");
		html_quantity(b, base, value_text(impact, "unit"));
	}
}

static const char *culprit_name(const json_t *culprit)
{
	const json_t *container = json_object_get(culprit, "container");

	if (json_is_object(container))
		return container_label(container);
	return *value_text(culprit, "what") ? value_text(culprit, "what") : "nobody";
}

static void strip_victim(struct strbuf *b, const json_t *victims)
{
	const json_t *first = json_array_get(victims, 0), *impact = json_object_get(first, "impact");

	strbuf_addstr(b, "<li class=\"actor victim\"><span class=\"role\">Victim</span><strong>");
	strbuf_add_html(b, first ? container_label(json_object_get(first, "container")) : "nobody");
	strbuf_addstr(b, "</strong><span class=\"detail\">");
	if (json_array_size(impact))
		impact_text(b, json_array_get(impact, 0));
	if (json_array_size(victims) > 1)
		strbuf_addf(b, "<br>and %zu more", json_array_size(victims) - 1);
	strbuf_addstr(b, "</span></li>\n");
}

static void strip_mechanism(struct strbuf *b, const json_t *report)
{
	const json_t *resource = json_object_get(report, "resource");
	const json_t *edges = json_object_get(json_object_get(report, "chain"), "edges");
	json_t *edge;
	size_t i;

	strbuf_addstr(b, "<li class=\"actor mechanism\"><span class=\"role\">waited on</span><strong>");
	resource_text(b, resource);
	strbuf_addstr(b, "</strong><span class=\"detail\">");
	json_array_foreach ((json_t *)edges, i, edge) {
		if (i)
			strbuf_addstr(b, " → ");
		strbuf_add_html(b, value_text(edge, "mechanism"));
	}
	if (!i)
		strbuf_add_html(b, value_text(report, "cause"));
	strbuf_addstr(b, "</span></li>\n");
}

static void strip_culprit(struct strbuf *b, const json_t *culprits)
{
	const json_t *first = json_array_get(culprits, 0);
	double share = value_number(first, "share");

	strbuf_addstr(b, "<li class=\"actor culprit\"><span class=\"role\">Culprit</span><strong>");
	strbuf_add_html(b, first ? culprit_name(first) : "none to blame");
	strbuf_addstr(b, "</strong><span class=\"detail\">");
	if (json_is_true(json_object_get(first, "self")))
		strbuf_addstr(b, "the victim itself");
	if (json_is_object(json_object_get(first, "container")) && *value_text(first, "what"))
		text(b, json_is_true(json_object_get(first, "self")) ? ": " : "", value_text(first, "what"), "");
	if (!isnan(share))
		strbuf_addf(b, "<br>share <b>%.0f %%</b>", share * 100);
	if (json_array_size(culprits) > 1)
		strbuf_addf(b, "<br>and %zu more", json_array_size(culprits) - 1);
	strbuf_addstr(b, "</span></li>\n");
}

static void strip(struct strbuf *b, const json_t *report)
{
	section(b, "who", "Who did what to whom");
	strbuf_addstr(b, "<ol class=\"strip\">\n");
	strip_victim(b, json_object_get(report, "victims"));
	strbuf_addstr(b, arrow);
	strip_mechanism(b, report);
	strbuf_addstr(b, arrow);
	strip_culprit(b, json_object_get(report, "culprits"));
	strbuf_addstr(b, "</ol>\n");
}

/* ---- parties ---- */

/* The name, and below it the cgroup where that says more. */
static void container_cell(struct strbuf *b, const json_t *container, const char *name, bool links)
{
	const char *cgroup = value_text(container, "cgroup"), *ref = links ? value_text(container, "ref") : "";

	strbuf_addstr(b, "<tr><th scope=\"row\">");
	if (*ref) {
		strbuf_addstr(b, "<a href=\"/containers/");
		http_url_encode(b, ref);
		strbuf_addstr(b, "\">");
	}
	text(b, "", name, *ref ? "</a>" : "");
	if (*cgroup && strcmp(cgroup, name))
		text(b, "<br><small class=\"path\">", cgroup, "</small>");
	strbuf_addstr(b, "</th><td>");
}

static void victims_table(struct strbuf *b, const json_t *victims, bool links)
{
	json_t *victim, *impact;
	size_t i, j;

	strbuf_addstr(
		b,
		"<h3>Victims</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Victims\"><table>"
		"<thead><tr><th scope=\"col\">Container</th><th scope=\"col\">Impact</th>"
		"<th scope=\"col\">Tasks</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)victims, i, victim) {
		const json_t *container = json_object_get(victim, "container");

		container_cell(b, container, container_label(container), links);
		json_array_foreach (json_object_get(victim, "impact"), j, impact) {
			strbuf_addstr(b, j ? "<br>" : "");
			impact_text(b, impact);
		}
		strbuf_addstr(b, "</td><td>");
		tasks(b, json_object_get(victim, "tasks"));
		strbuf_addstr(b, "</td></tr>\n");
	}
	strbuf_addstr(b, "</tbody></table></div>\n");
}

static void culprits_table(struct strbuf *b, const json_t *culprits, bool links)
{
	json_t *culprit;
	char label[16];
	size_t i, small = 0;

	strbuf_addstr(b, "<h3>Culprits</h3>\n");
	if (!json_array_size(culprits)) {
		strbuf_addstr(b, "<p>Nobody is to blame on this evidence.</p>\n");
		return;
	}
	strbuf_addstr(b,
		      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Culprits\"><table><thead><tr>"
		      "<th scope=\"col\">Who</th><th scope=\"col\">Share</th><th scope=\"col\">Did what</th>"
		      "<th scope=\"col\">Tasks</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)culprits, i, culprit) {
		double share = value_number(culprit, "share");

		if (i && share < 0.005) {
			small++;
			continue;
		}
		container_cell(b, json_object_get(culprit, "container"), culprit_name(culprit), links);
		snprintf(label, sizeof(label), "%.0f %%", share * 100);
		if (!isnan(share))
			html_meter(b, share, label);
		text(b, "</td><td>", value_text(culprit, "what"),
		     json_is_true(json_object_get(culprit, "self")) ? " (itself)" : "");
		strbuf_addstr(b, "</td><td>");
		tasks(b, json_object_get(culprit, "tasks"));
		strbuf_addstr(b, "</td></tr>\n");
	}
	strbuf_addstr(b, "</tbody></table></div>\n");
	if (small)
		strbuf_addf(b, "<p class=\"note\">%zu more with less than 1 %% each.</p>\n", small);
}

static void bystanders(struct strbuf *b, const json_t *list)
{
	json_t *item;
	size_t i;

	if (!json_array_size(list))
		return;
	strbuf_addstr(b, "<h3>Looked guilty, were not</h3>\n<ul class=\"plain\">");
	json_array_foreach ((json_t *)list, i, item) {
		text(b, "<li><strong>", container_label(json_object_get(item, "container")), "</strong>: ");
		text(b, "", value_text(item, "why"), "</li>\n");
	}
	strbuf_addstr(b, "</ul>\n");
}

static void node_label(struct strbuf *b, const json_t *nodes, const json_t *end)
{
	json_t *node;
	size_t i;

	json_array_foreach ((json_t *)nodes, i, node)
		if (json_equal(json_object_get(node, "id"), (json_t *)end)) {
			if (*value_text(node, "label"))
				strbuf_add_html(b, value_text(node, "label"));
			else if (json_is_object(json_object_get(node, "container")))
				strbuf_add_html(b, container_label(json_object_get(node, "container")));
			else
				strbuf_add_html(b, *value_text(node, "what") ? value_text(node, "what")
									     : value_text(node, "id"));
			return;
		}
	html_value(b, "", end);
}

static void chain(struct strbuf *b, const json_t *list)
{
	const json_t *nodes = json_object_get(list, "nodes"), *edges = json_object_get(list, "edges");
	json_t *edge;
	size_t i;

	if (!json_array_size(edges))
		return;
	strbuf_addstr(b, "<h3>Chain</h3>\n");
	render_chain(b, list);
	strbuf_addstr(b, "<ol class=\"chain\">");
	json_array_foreach ((json_t *)edges, i, edge) {
		strbuf_addstr(b, "<li><strong>");
		node_label(b, nodes, json_object_get(edge, "from"));
		text(b, "</strong> <span class=\"via\">→ ", value_text(edge, "mechanism"), " →</span> <strong>");
		node_label(b, nodes, json_object_get(edge, "to"));
		strbuf_addstr(b, "</strong>");
		if (value_int(edge, "lag_ns", 0) > 0) {
			strbuf_addstr(b, " after ");
			html_span(b, value_int(edge, "lag_ns", 0));
		}
		evidence_links(b, json_object_get(edge, "evidence"));
		strbuf_addstr(b, "</li>\n");
	}
	strbuf_addstr(b, "</ol>\n");
}

static void parties(struct strbuf *b, const json_t *report, bool links)
{
	victims_table(b, json_object_get(report, "victims"), links);
	culprits_table(b, json_object_get(report, "culprits"), links);
	bystanders(b, json_object_get(report, "bystanders"));
	chain(b, json_object_get(report, "chain"));
	strbuf_addstr(b, "</section>\n");
}

/* ---- budget ---- */

static const char *state_class(const char *state)
{
	static const struct {
		const char *part, *css;
	} classes[] = {
		{ "on_cpu", "s-run" },	 { "running", "s-run" },    { "throttl", "s-throttled" },
		{ "runn", "s-wait" },	 { "cpu", "s-wait" },	    { "block", "s-block" },
		{ "lock", "s-lock" },	 { "reclaim", "s-memory" }, { "memory", "s-memory" },
		{ "froz", "s-frozen" },	 { "freez", "s-frozen" },   { "stolen", "s-stolen" },
		{ "steal", "s-stolen" }, { "irq", "s-stolen" },	    { "sleep", "s-sleep" },
		{ "idle", "s-sleep" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (strstr(state, classes[i].part))
			return classes[i].css;
	return "s-unknown";
}

static void budget_bar(struct strbuf *b, const json_t *budget, double total)
{
	double x = 0;
	json_t *part;
	size_t i;

	strbuf_addstr(
		b, "<svg class=\"budget\" role=\"img\" aria-label=\"Time budget; the table below has the numbers\">\n");
	json_array_foreach ((json_t *)budget, i, part) {
		double width = fmax(0, (double)value_int(part, "ns", 0)) / total * 100;

		if (i == SEGMENTS_MAX)
			break;
		strbuf_addf(b, "<g class=\"%s\"><rect x=\"%.3f%%\" width=\"%.3f%%\" height=\"100%%\"/>",
			    state_class(value_text(part, "state")), x, width);
		if (width >= 4)
			strbuf_addf(b, "<text x=\"%.3f%%\" y=\"50%%\">%c</text>", x + width / 2, (char)('A' + i));
		text(b, "<title>", value_text(part, "state"), "</title></g>\n");
		x += width;
	}
	strbuf_addstr(b, "</svg>\n");
}

static void budget_table(struct strbuf *b, const json_t *budget, double total)
{
	json_t *part;
	size_t i;

	strbuf_addstr(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Time budget\"><table "
			 "class=\"legend\"><thead>"
			 "<tr><th scope=\"col\">State</th><th scope=\"col\">Because of</th><th scope=\"col\" "
			 "class=\"num\">Time</th>"
			 "<th scope=\"col\" class=\"num\">Share</th></tr></thead><tbody>\n");
	json_array_foreach ((json_t *)budget, i, part) {
		const json_t *culprit = json_object_get(part, "culprit");
		int64_t ns = value_int(part, "ns", 0);

		strbuf_addf(b, "<tr><th scope=\"row\"><span class=\"key %s\">%c</span> ",
			    state_class(value_text(part, "state")), i < SEGMENTS_MAX ? (char)('A' + i) : '+');
		words(b, value_text(part, "state"));
		strbuf_addstr(b, "</th><td>");
		html_value(b, "", culprit);
		strbuf_addstr(b, "</td><td class=\"num\">");
		html_span(b, ns);
		strbuf_addf(b, "</td><td class=\"num\">%.1f %%</td></tr>\n", (double)ns / total * 100);
	}
	strbuf_addstr(b, "</tbody></table></div>\n");
}

static void budget(struct strbuf *b, const json_t *list)
{
	double total = 0;
	json_t *part;
	size_t i;

	json_array_foreach ((json_t *)list, i, part)
		total += fmax(0, (double)value_int(part, "ns", 0));
	if (total <= 0)
		return;
	section(b, "budget", "Where the victim’s time went");
	budget_bar(b, list, total);
	budget_table(b, list, total);
	strbuf_addstr(b, "<p class=\"note\">Sum: ");
	html_span(b, (int64_t)total);
	strbuf_addstr(b, "</p></section>\n");
}

/* ---- evidence ---- */

static void param_text(struct strbuf *out, const json_t *value)
{
	AUTO_FREE char *dumped = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	strbuf_addstr(out, dumped ? dumped : json_string_value(value));
}

/* A link that opens the query with the parameters it ran with; open_end: what came later matters too. */
static void query_link(struct strbuf *b, const char *sql, const json_t *params, const json_t *window, bool open_end)
{
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;
	int64_t onset = value_int(window, "onset_ns", 0), end = value_int(window, "end_ns", 0);
	json_t *value;
	const char *key;

	strbuf_addstr(&href, "/query?sql=");
	http_url_encode(&href, sql);
	json_object_foreach ((json_t *)params, key, value) {
		AUTO(strbuf) struct strbuf plain = STRBUF_INIT;

		if (json_is_null(value))
			continue;
		strbuf_addstr(&href, "&p_");
		http_url_encode(&href, *key == ':' ? key + 1 : key);
		strbuf_addch(&href, '=');
		param_text(&plain, value);
		http_url_encode(&href, strbuf_str(&plain));
	}
	if (onset > CONSOLE_MARGIN_NS)
		strbuf_addf(&href, "&since=%" PRId64, onset - CONSOLE_MARGIN_NS);
	if (end > 0 && !open_end)
		strbuf_addf(&href, "&until=%" PRId64, end + CONSOLE_MARGIN_NS);
	text(b, "<p><a href=\"", strbuf_str(&href), "\">Run this query</a></p>\n");
}

static void params_list(struct strbuf *b, const json_t *params)
{
	json_t *value;
	const char *key;

	if (!json_object_size(params))
		return;
	strbuf_addstr(b, "<p class=\"note params\">with ");
	json_object_foreach ((json_t *)params, key, value) {
		AUTO(strbuf) struct strbuf plain = STRBUF_INIT;

		param_text(&plain, value);
		text(b, "<code>:", *key == ':' ? key + 1 : key, " = ");
		text(b, "", strbuf_str(&plain), "</code> ");
	}
	strbuf_addstr(b, "</p>\n");
}

/* Integers may be given as text; see the contract of report/v1. */
static double number_of(const json_t *value)
{
	char *end;
	double number;

	if (json_is_number(value))
		return json_number_value(value);
	if (!json_is_string(value) || !*json_string_value(value))
		return NAN;
	number = strtod(json_string_value(value), &end);
	return *end ? NAN : number;
}

static void figure(struct strbuf *b, const char *name, const json_t *value, const char *unit)
{
	if (!value || json_is_null(value))
		return;
	strbuf_addf(b, "<div><dt>%s</dt><dd>", name);
	if (json_is_object(value) && json_object_get(value, "value"))
		html_quantity(b, value_number(value, "value"), value_text(value, "unit"));
	else if (!isnan(number_of(value)))
		html_quantity(b, number_of(value), unit);
	else
		html_value(b, "", value);
	strbuf_addstr(b, "</dd></div>");
}

static void evidence_rows(struct strbuf *b, const json_t *rows, const char *id)
{
	if (json_is_array(rows) && json_is_object(json_array_get(rows, 0))) {
		AUTO(strbuf) struct strbuf caption = STRBUF_INIT;

		strbuf_addf(&caption, "Rows of %s", id);
		html_rows_table(b, rows, strbuf_str(&caption));
	} else if (json_is_array(rows) ? json_array_size(rows) > 0 : rows && !json_is_null(rows)) {
		AUTO_FREE char *dumped = json_dumps(rows, JSON_INDENT(1) | JSON_ENCODE_ANY);

		text(b, "<pre><code>", dumped ? dumped : "", "</code></pre>\n");
	}
}

const char *evidence_prefix(const json_t *item)
{
	const json_t *holds = json_object_get(item, "holds");

	return json_is_false(holds) ? "Does not hold: " : json_is_null(holds) ? "Could not be tested: " : "";
}

static void evidence_item(struct strbuf *b, const json_t *item, const json_t *window, bool links)
{
	text(b, "<details class=\"evidence\" id=\"ev-", value_text(item, "id"), "\">");
	strbuf_addstr(b, "<summary><span class=\"ref\">");
	short_id(b, value_text(item, "id"));
	text(b, "</span> <span class=\"claim\">", evidence_prefix(item), "");
	text(b, "", value_text(item, "claim"), "</span></summary>\n");
	text(b, "<dl class=\"figures\"><div><dt>Kind</dt><dd>", value_text(item, "kind"), "</dd></div>");
	figure(b, "Observed", json_object_get(item, "observed"), value_text(item, "unit"));
	figure(b, "Baseline", json_object_get(item, "baseline"), value_text(item, "unit"));
	strbuf_addstr(b, "</dl>\n");
	evidence_rows(b, json_object_get(item, "rows"), value_text(item, "id"));
	if (*value_text(item, "sql")) {
		text(b, "<pre class=\"sql\"><code>", value_text(item, "sql"), "</code></pre>\n");
		params_list(b, json_object_get(item, "params"));
		if (links)
			query_link(b, value_text(item, "sql"), json_object_get(item, "params"), window, false);
	}
	strbuf_addstr(b, "</details>\n");
}

/* Ids that begin with a cause belong to the test of that cause. */
static bool is_of_cause(const json_t *item, const char *cause)
{
	const char *id = value_text(item, "id"), *slash = strchr(id, '/');

	return !slash || ((size_t)(slash - id) == strlen(cause) && !strncmp(id, cause, strlen(cause)));
}

static size_t evidence_group(struct strbuf *b, const json_t *report, bool of_cause, bool links)
{
	const json_t *list = json_object_get(report, "evidence");
	json_t *item;
	size_t i, n = 0;

	json_array_foreach ((json_t *)list, i, item) {
		if (is_of_cause(item, value_text(report, "cause")) != of_cause)
			continue;
		evidence_item(b, item, json_object_get(report, "window"), links);
		n++;
	}
	return n;
}

static void evidence(struct strbuf *b, const json_t *report, bool links)
{
	AUTO(strbuf) struct strbuf others = STRBUF_INIT;
	size_t n;

	if (!json_array_size(json_object_get(report, "evidence")))
		return;
	section(b, "evidence", "Evidence");
	strbuf_addstr(b,
		      "<p class=\"note\">Each claim with the query that produced its number, to be run again.</p>\n");
	evidence_group(b, report, true, links);
	n = evidence_group(&others, report, false, links);
	if (n) {
		strbuf_addf(b,
			    "<details class=\"more\" id=\"more-evidence\"><summary>%zu more, from testing other "
			    "explanations</summary>\n",
			    n);
		strbuf_add(b, strbuf_str(&others), others.len);
		strbuf_addstr(b, "</details>\n");
	}
	strbuf_addstr(b, "</section>\n");
}

/* ---- remedy ---- */

static void verify(struct strbuf *b, const json_t *report, const char *sql, bool links)
{
	/* The query that verifies a remedy takes the parameters of the evidence. */
	const json_t *first = json_array_get(json_object_get(report, "evidence"), 0);

	text(b, "<details><summary>How to verify</summary><pre class=\"sql\"><code>", sql, "</code></pre>");
	if (links)
		query_link(b, sql, json_object_get(first, "params"), json_object_get(report, "window"), true);
	strbuf_addstr(b, "</details>");
}

static void remediation(struct strbuf *b, const json_t *report, bool links)
{
	const json_t *list = json_object_get(report, "remediation");
	json_t *item;
	size_t i;

	if (!json_array_size(list))
		return;
	section(b, "remedy", "What to do");
	strbuf_addstr(b, "<ol class=\"remedies\">\n");
	json_array_foreach ((json_t *)list, i, item) {
		const json_t *reversible = json_object_get(item, "reversible");

		text(b, "<li><h3>", value_text(item, "action"), "</h3>");
		if (*value_text(item, "command"))
			text(b, "<pre class=\"command\"><code>", value_text(item, "command"), "</code></pre>");
		text(b, "<p class=\"note\"><strong>Risk:</strong> ",
		     *value_text(item, "risk") ? value_text(item, "risk") : "not stated", "");
		if (json_is_boolean(reversible))
			strbuf_addstr(b, json_is_true(reversible) ? " · reversible"
								  : " · <strong>not reversible</strong>");
		strbuf_addstr(b, "</p>");
		if (*value_text(item, "verify_sql"))
			verify(b, report, value_text(item, "verify_sql"), links);
		strbuf_addstr(b, "</li>\n");
	}
	strbuf_addstr(b, "</ol></section>\n");
}

/* ---- hypotheses ---- */

static const char *verdict_badge(const char *verdict)
{
	if (!strcmp(verdict, "supported"))
		return "<span class=\"badge supported\"><span class=\"shape\" aria-hidden=\"true\">✓</span> "
		       "supported</span>";
	if (!strcmp(verdict, "ruled_out"))
		return "<span class=\"badge plain\"><span class=\"shape\" aria-hidden=\"true\">✕</span> ruled "
		       "out</span>";
	return "<span class=\"badge warning\"><span class=\"shape\" aria-hidden=\"true\">?</span> untestable</span>";
}

static const json_t *evidence_by_id(const json_t *report, const char *id)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(report, "evidence"), i, item)
		if (!strcmp(value_text(item, "id"), id))
			return item;
	return NULL;
}

/* What decided against a cause: the first of its tests that failed; where none did, the first that could not be made. */
static const json_t *deciding_test(const json_t *h)
{
	const json_t *open = NULL;
	json_t *test;
	size_t i;

	json_array_foreach (json_object_get(h, "tests"), i, test) {
		const json_t *pass = json_object_get(test, "pass");

		if (json_is_false(pass))
			return test;
		if (!open && json_is_null(pass))
			open = test;
	}
	return open;
}

void hypothesis_reason(const json_t *report, const json_t *hypothesis, struct strbuf *out)
{
	const json_t *test = deciding_test(hypothesis);
	const char *id = json_string_value(json_array_get(json_object_get(test, "evidence"), 0));
	const json_t *item = id ? evidence_by_id(report, id) : NULL;

	if (!item)
		return;
	if (!json_is_false(json_object_get(item, "holds")))
		strbuf_addstr(out, value_text(item, "claim"));
	else if (strstr(value_text(item, "claim"), "unknown")) /* no row to take its numbers and names from */
		strbuf_addstr(out, "nothing of that kind was seen");
	else
		strbuf_addf(out, "only this was seen: %s", value_text(item, "claim"));
}

/* The name leads to the evidence that bears its number. */
static void test_name(struct strbuf *b, const json_t *test)
{
	const char *id = json_string_value(json_array_get(json_object_get(test, "evidence"), 0));

	strbuf_addstr(b, "<td>");
	if (id)
		text(b, "<a href=\"#ev-", id, "\">");
	words(b, value_text(test, "name"));
	strbuf_addstr(b, id ? "</a>" : "");
	if (*value_text(test, "rules_out"))
		text(b, "<br><small>against <code>", value_text(test, "rules_out"), "</code></small>");
	strbuf_addstr(b, "</td><td>");
}

static void test_row(struct strbuf *b, const json_t *test)
{
	const json_t *pass = json_object_get(test, "pass");

	strbuf_addstr(b, "<tr>");
	test_name(b, test);
	html_value(b, "", json_object_get(test, "expected"));
	strbuf_addstr(b, "</td><td>");
	html_value(b, "", json_object_get(test, "observed"));
	strbuf_addf(b, "</td><td>%s</td></tr>\n",
		    json_is_boolean(pass) ? json_is_true(pass) ? "✓ passes" : "✕ fails" : "? unknown");
}

/* The verdict and what decided it; the tests behind it. */
static void hypothesis(struct strbuf *b, const json_t *report, const json_t *h)
{
	const json_t *tests = json_object_get(h, "tests");
	AUTO(strbuf) struct strbuf reason = STRBUF_INIT;
	json_t *test;
	size_t i;

	if (strcmp(value_text(h, "verdict"), "supported"))
		hypothesis_reason(report, h, &reason);
	text(b, "<details class=\"evidence\"><summary><code class=\"cause\">", value_text(h, "cause"), "</code> ");
	strbuf_addf(b, "%s ", verdict_badge(value_text(h, "verdict")));
	text(b, "<span class=\"claim\">", strbuf_str(&reason), "</span></summary>\n");
	text(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Tests of ", value_text(h, "cause"),
	     "\"><table class=\"tests\">");
	strbuf_addstr(b, "<thead><tr><th scope=\"col\">Test</th><th scope=\"col\">Expected</th><th scope=\"col\">Observed"
			 "</th><th scope=\"col\">Result</th></tr></thead>\n<tbody>\n");
	json_array_foreach ((json_t *)tests, i, test)
		test_row(b, test);
	strbuf_addstr(b, "</tbody></table></div></details>\n");
}

static void hypotheses(struct strbuf *b, const json_t *report)
{
	const json_t *list = json_object_get(report, "hypotheses");
	json_t *h;
	size_t i;

	if (!json_array_size(list))
		return;
	section(b, "alternatives", "Explanations tested");
	json_array_foreach ((json_t *)list, i, h)
		hypothesis(b, report, h);
	strbuf_addstr(b, "</section>\n");
}

/* ---- timeline, data quality, foot ---- */

static void moment(struct strbuf *b, const json_t *item, int64_t onset)
{
	int64_t ts = value_int(item, "ts_ns", 0);

	strbuf_addstr(b, "<li><span class=\"when\">");
	html_time(b, ts);
	if (ts && onset && ts != onset) {
		strbuf_addstr(b, ts > onset ? " <small>+" : " <small>−");
		html_span(b, ts > onset ? ts - onset : onset - ts);
		strbuf_addstr(b, "</small>");
	}
	text(b, "</span><span class=\"what\"><b>", value_text(item, "kind"), "</b> ");
	strbuf_add_html(b, value_text(item, "text"));
	evidence_links(b, json_object_get(item, "evidence"));
	strbuf_addstr(b, "</span></li>\n");
}

/* The beginning and the end of a long one are shown, what lies between on demand. */
static void timeline(struct strbuf *b, const json_t *report)
{
	const json_t *list = json_object_get(report, "timeline");
	int64_t onset = value_int(json_object_get(report, "window"), "onset_ns", 0);
	size_t i, n = json_array_size(list), hide_from = n, hide_to = n;
	json_t *item;

	if (!n)
		return;
	if (n > TIMELINE_HEAD + TIMELINE_TAIL + 2) {
		hide_from = TIMELINE_HEAD;
		hide_to = n - TIMELINE_TAIL;
	}
	section(b, "timeline", "Timeline");
	strbuf_addstr(b, "<ol class=\"timeline\">\n");
	json_array_foreach ((json_t *)list, i, item) {
		if (i == hide_from)
			strbuf_addf(b,
				    "</ol>\n<details class=\"more\" id=\"more-timeline\"><summary>%zu more "
				    "moments</summary>\n"
				    "<ol class=\"timeline\">\n",
				    hide_to - hide_from);
		if (i == hide_to)
			strbuf_addstr(b, "</ol></details>\n<ol class=\"timeline\">\n");
		moment(b, item, onset);
	}
	strbuf_addstr(b, "</ol></section>\n");
}

static void data_quality(struct strbuf *b, const json_t *quality)
{
	const json_t *lost = json_object_get(quality, "lost"), *missing = json_object_get(quality, "missing");
	double coverage = value_number(quality, "coverage");
	json_t *item;
	size_t i;

	section(b, "quality", "Data quality");
	strbuf_addstr(b, "<p>");
	if (!isnan(coverage))
		strbuf_addf(b, "Coverage of the window: <strong>%.0f %%</strong>. ", coverage * 100);
	strbuf_addf(b, "%s %s</p>\n", json_array_size(lost) ? "Records were lost:" : "No record was lost.",
		    json_array_size(missing) ? "Some probes were missing; what they would have shown is unknown."
					     : "No probe was missing.");
	strbuf_addstr(b, "<ul class=\"plain\">");
	json_array_foreach ((json_t *)lost, i, item) {
		text(b, "<li><code>", value_text(item, "probe"), "</code>: ");
		strbuf_addf(b, "%lld lost</li>\n", (long long)value_int(item, "count", 0));
	}
	json_array_foreach ((json_t *)missing, i, item) {
		text(b, "<li><code>", value_text(item, "probe"), "</code>: ");
		text(b, "", value_text(item, "why"), "</li>\n");
	}
	strbuf_addstr(b, "</ul></section>\n");
}

/* Of the first victim, with what led to it. */
static void charts_link(struct strbuf *b, const json_t *report)
{
	const json_t *victim = json_object_get(json_array_get(json_object_get(report, "victims"), 0), "container");
	const json_t *window = json_object_get(report, "window");
	int64_t onset = value_int(window, "onset_ns", 0), end = value_int(window, "end_ns", 0);
	AUTO(strbuf) struct strbuf href = STRBUF_INIT;

	if (!onset)
		return;
	strbuf_addf(&href, "/observe?since=%" PRId64, onset - CONSOLE_MARGIN_NS);
	if (end > 0)
		strbuf_addf(&href, "&until=%" PRId64 "&from=%" PRId64 "&to=%" PRId64, end + CHARTS_AFTER_NS, onset, end);
	if (*value_text(victim, "ref")) {
		strbuf_addstr(&href, "&container=");
		http_url_encode(&href, value_text(victim, "ref"));
	}
	text(b, "<p><a href=\"", strbuf_str(&href), "\">Charts of this time</a></p>\n");
}

static void form_link(struct strbuf *b, const char *address, const char *format, const char *name)
{
	text(b, "<a href=\"", address, strchr(address, '?') ? "&amp;" : "?");
	strbuf_addf(b, "format=%s\">%s</a>", format, name);
}

static void foot(struct strbuf *b, const json_t *report, const struct report_links *links)
{
	const json_t *generator = json_object_get(report, "generator"), *node = json_object_get(report, "node");

	strbuf_addstr(b, "<footer class=\"report-foot\">\n");
	if (links) {
		strbuf_addstr(b, "<p>This report as ");
		form_link(b, links->address, "json", "JSON");
	}
	if (links && links->stored) {
		strbuf_addstr(b, ", ");
		form_link(b, links->address, "md", "Markdown");
		strbuf_addstr(b, ", ");
		form_link(b, links->address, "html", "HTML file");
		text(b, ",\n<a href=\"/api/v1/bundles?incident=", value_text(report, "id"), "\">bundle</a>");
		text(b, " (<a href=\"/api/v1/bundles?redact=names&amp;incident=", value_text(report, "id"),
		     "\">without names</a>)");
		strbuf_addstr(b, "<span hidden>, on <button type=\"button\" class=\"print\">paper</button></span>");
	}
	strbuf_addstr(b, links ? "</p>\n" : "");
	text(b, "<p class=\"note\">kwhy ", value_text(generator, "version"), " · rules ");
	text(b, "<code>", value_text(generator, "rules_sha256"), "</code> · settings ");
	text(b, "<code>", value_text(generator, "config_sha256"), "</code> · boot ");
	text(b, "<code>", value_text(node, "boot_id"), "</code></p>\n</footer>\n");
}

void render_report_article(struct strbuf *b, const json_t *report, const struct report_links *links)
{
	text(b, "<article class=\"report ", value_text(report, "severity"), "\">\n");
	head(b, report, links);
	if (links && links->behind_head)
		strbuf_addstr(b, links->behind_head);
	strip(b, report);
	parties(b, report, links != NULL);
	budget(b, json_object_get(report, "budget"));
	if (links)
		charts_link(b, report);
	remediation(b, report, links != NULL);
	evidence(b, report, links != NULL);
	hypotheses(b, report);
	timeline(b, report);
	data_quality(b, json_object_get(report, "data_quality"));
	if (links && links->before_foot)
		strbuf_addstr(b, links->before_foot);
	foot(b, report, links);
	strbuf_addstr(b, "</article>\n");
}

void render_report_html(struct strbuf *b, const json_t *report)
{
	const struct embedded_file *css = embedded_find("web/static/kwhy.css");

	strbuf_addstr(b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			 "<meta name=\"color-scheme\" content=\"light dark\">\n"
			 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
			 "'unsafe-inline'\">\n");
	text(b, "<title>", value_text(report, "headline"), "</title>\n<style>\n");
	if (css)
		strbuf_add(b, css->data, css->size);
	strbuf_addstr(b, "</style>\n</head>\n<body>\n<main id=\"main\">\n");
	render_report_article(b, report, NULL);
	strbuf_addstr(b, "</main>\n</body>\n</html>\n");
}
