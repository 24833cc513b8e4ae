/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/alerts and /api/v1/silences. */
#include <errno.h>
#include <string.h>

#include "analyze/alertstore.h"
#include "analyze/silences.h"
#include "web/body.h"
#include "web/routes.h"
#include "web/silencing.h"
#include "web/rows.h"
#include "web/web.h"

static int open_store(const struct http_request *req, struct http_response *res, bool write,
		      struct alertstore **ret_store)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int r = alertstore_open(web_options(req->web)->state_dir, write, ret_store, &err);

	return r ? http_problem(res, 503, "%s", strbuf_str(&err)) : 0;
}

struct listing {
	json_t *items;
	const char *state; /* NULL: any */
};

static int add_alert(void *ctx, struct alert *a)
{
	const struct listing *l = ctx;

	if (l->state && strcmp(l->state, alert_state_name(a->life.state)))
		return 0;
	return json_array_append_new(l->items, alert_row(a)) ? -ENOMEM : 0;
}

int alert_span(const struct http_request *req, struct http_response *res, int64_t *ret_since_ns, int64_t *ret_until_ns)
{
	*ret_since_ns = 0;
	*ret_until_ns = req->now_ns;
	if (http_param_time(req, res, "at", ret_until_ns) || http_param_time(req, res, "since", ret_since_ns) ||
	    http_param_time(req, res, "until", ret_until_ns))
		return -EINVAL;
	return 0;
}

int api_alerts(const struct http_request *req, struct http_response *res)
{
	static const char *const states[] = { "pending", "firing", "resolved", NULL };
	struct listing l = { 0 };
	struct alertstore *store;
	json_t *outbox = NULL;
	int64_t since_ns, until_ns;
	int r;

	if (http_param_choice(req, res, "state", states, &l.state) || alert_span(req, res, &since_ns, &until_ns))
		return -EINVAL;
	r = open_store(req, res, false, &store);
	if (r)
		return r;
	l.items = json_array();
	r = alertstore_between(store, since_ns, until_ns, add_alert, &l);
	if (r >= 0)
		r = alertstore_outbox(store, &outbox);
	alertstore_free(store);
	if (r >= 0)
		return http_json(res, json_pack("{s:o, s:o}", "items", l.items, "outbox", outbox));
	json_decref(l.items);
	return http_problem(res, 503, "The alerts could not be read: %s", strerror(-r));
}

static int list_silences(const struct http_request *req, struct http_response *res)
{
	struct alertstore *store;
	json_t *items = NULL;
	int r = open_store(req, res, false, &store);

	if (r)
		return r;
	r = alertstore_silences(store, req->now_ns, &items);
	alertstore_free(store);
	return r ? http_problem(res, 503, "The silences could not be read: %s", strerror(-r))
		 : http_json(res, json_pack("{s:o}", "items", items));
}

int silence_add(const struct http_request *req, struct http_response *res, const json_t *given, json_t **ret_silence)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	json_t *silence = silence_read(given, req->now_ns, &why);
	struct alertstore *store;
	int r;

	if (!silence)
		return http_problem(res, 422, "%s.", strbuf_str(&why));
	r = open_store(req, res, true, &store);
	if (r) {
		json_decref(silence);
		return r;
	}
	r = alertstore_put_silence(store, silence, req->now_ns);
	alertstore_free(store);
	if (!r) {
		*ret_silence = silence;
		return 0;
	}
	json_decref(silence);
	return http_problem(res, r == -E2BIG ? 409 : 503, "The silence could not be stored: %s",
			    r == -E2BIG ? "there are too many; let some end" : strerror(-r));
}

static int post_silence(const struct http_request *req, struct http_response *res)
{
	json_t *given = NULL, *silence = NULL;
	int r = body_json(req, res, &given);

	if (r)
		return r;
	r = silence_add(req, res, given, &silence);
	json_decref(given);
	return r ? r : http_json(res, silence);
}

int api_silences(const struct http_request *req, struct http_response *res)
{
	return req->method == HTTP_POST ? post_silence(req, res) : list_silences(req, res);
}

int silence_end(const struct http_request *req, struct http_response *res, const char *id)
{
	struct alertstore *store;
	int r = open_store(req, res, true, &store);

	if (r)
		return r;
	r = alertstore_end_silence(store, id, req->now_ns);
	alertstore_free(store);
	return r ? http_problem(res, r == -ENOENT ? 404 : 503, "There is no silence \"%s\" that still lasts.", id) : 0;
}

int api_silence_end(const struct http_request *req, struct http_response *res)
{
	json_t *given = NULL;
	int r = body_json(req, res, &given);

	json_decref(given);
	if (!r)
		r = silence_end(req, res, req->arg);
	return r ? r : http_json(res, json_pack("{s:s}", "id", req->arg));
}
