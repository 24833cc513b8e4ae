/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/stream: what is new, as server-sent events. */
#include <errno.h>

#include "base/timeutil.h"
#include "web/routes.h"
#include "web/rows.h"

int api_stream(const struct http_request *req, struct http_response *res)
{
	int64_t after = 0;
	int r;

	/* An id that is none of ours is as none at all, as the standard has it. */
	if (req->last_event_id && (int_parse(req->last_event_id, &after) || after < 0))
		after = 0;
	r = stream_join(web_stream(req->web), (uint64_t)after, &res->stream);
	if (r)
		return http_problem(res, 503, r == -EBUSY ? "There are %d listeners already." : "The server stops.",
				    STREAM_CLIENTS_MAX);
	res->type = "text/event-stream";
	return 0;
}

/* Only what a list needs: whoever wants the rest asks for the report. */
static json_t *summary_of(const json_t *report)
{
	static const char *const keys[] = { "id", "revision", "status", "severity", "cause", "headline" };
	json_t *out = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(out, keys[i], json_object_get(report, keys[i]));
	json_object_set(out, "onset_ns", json_object_get(json_object_get(report, "window"), "onset_ns"));
	return out;
}

static void post(struct web *w, const char *event, json_t *data, int64_t now_ns)
{
	AUTO_FREE char *text = json_dumps(data, JSON_COMPACT);

	json_decref(data);
	if (text)
		stream_post(web_stream(w), event, text, now_ns);
}

void web_tell_report(struct web *w, const json_t *report)
{
	post(w, "incident", summary_of(report), time_wall_ns());
}

void web_tell_ticks(struct web *w, int count)
{
	int64_t now = time_wall_ns();

	if (count > 0)
		post(w, "tick", json_pack("{s:i}", "ticks", count), now);
	else
		stream_keep_alive(web_stream(w), now);
}
