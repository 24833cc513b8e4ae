/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as a report: the page holds no element that came from its strings, the texts no control byte. */
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "web/render_report.h"

static const struct report_links links = { .address = "/why?container=x", .stored = true };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Elements the renderer itself never writes, and bytes that no output may have. */
static void check_html(const struct strbuf *html)
{
	static const char *const never[] = {
		"<script", "<img", "<iframe", "<style", "\033", "<a onclick", "<svg onload"
	};

	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (strstr(strbuf_str(html), never[i]))
			abort();
	if (strlen(strbuf_str(html)) != html->len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(strbuf) struct strbuf html = STRBUF_INIT, markdown = STRBUF_INIT;
	json_t *report = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);

	if (!report)
		return 0;
	render_report_article(&html, report, &links);
	check_html(&html);
	render_report_markdown(&markdown, report);
	if (strchr(strbuf_str(&markdown), '\033'))
		abort();
	json_decref(report);
	return 0;
}
