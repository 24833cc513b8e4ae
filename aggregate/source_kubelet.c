/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet's list of pods, GET /pods: of its read-only port, or of the authenticated one with a token.  One list
 * answers for all containers; it is fetched again when it is old, or when it does not know one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/httpc.h"
#include "aggregate/kube.h"
#include "aggregate/metadata.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

#define FRESH_NS (20 * NSEC_PER_SEC)
#define MISS_NS NSEC_PER_SEC /* a container that is not listed is looked for again after this */

struct kubelet {
	struct httpc *http;
	const char *url, *token_file, *ca;
	char token[4096];
	json_t *pods;
	int64_t fetched_ns;
};

static void *start(const struct config *config, const char *root)
{
	struct kubelet *k = calloc(1, sizeof(*k));

	(void)root;
	if (!k)
		return NULL;
	k->http = httpc_new();
	k->url = config_string(config, "metadata.kubelet");
	k->token_file = config_string(config, "metadata.kubelet_token");
	k->ca = config_string(config, "metadata.kubelet_ca");
	return k;
}

static void stop(void *state)
{
	struct kubelet *k = state;

	httpc_free(k->http);
	json_decref(k->pods);
	free(k);
}

/* Anew each time: Kubernetes replaces the tokens it gives out every hour or so. */
static int read_token(struct lookup *l, struct kubelet *k)
{
	ssize_t n;

	k->token[0] = '\0';
	if (!*k->token_file)
		return 0;
	n = file_read(AT_FDCWD, k->token_file, k->token, sizeof(k->token));
	if (n < 0) {
		snprintf(l->why, sizeof(l->why), "%.80s: %s", k->token_file, strerror((int)-n));
		return (int)n;
	}
	k->token[strcspn(k->token, "\r\n")] = '\0';
	return 0;
}

static int fetch(struct lookup *l, struct kubelet *k)
{
	const struct httpc_trust trust = { .token = k->token, .ca = k->ca };
	AUTO(strbuf) struct strbuf body = STRBUF_INIT;
	char url[512];
	json_t *pods;
	int r;

	snprintf(url, sizeof(url), "%.500s/pods", k->url);
	k->fetched_ns = time_boot_ns();
	r = read_token(l, k);
	if (r)
		return r == -ENOENT ? -EACCES : r;
	r = httpc_get(k->http, NULL, url, &trust, &body);
	if (!r)
		r = metadata_parse_json(l, "kubelet", strbuf_str(&body), body.len, &pods);
	if (r)
		return r;
	json_decref(k->pods);
	k->pods = pods;
	return 0;
}

static int find(const struct lookup *l, const struct kubelet *k, json_t *found)
{
	return l->what.kind == CONTAINER_POD ? kube_find_pod(k->pods, l->what.pod, found) :
					       kube_find(k->pods, l->id, found);
}

static int look(struct lookup *l, json_t *found)
{
	struct kubelet *k = l->state;
	int64_t age_ns;
	int r;

	if (!k->http || !*k->url)
		return 0;
	age_ns = time_boot_ns() - k->fetched_ns;
	if (k->fetched_ns && age_ns < FRESH_NS) {
		r = find(l, k, found);
		if (r || age_ns < MISS_NS)
			return r;
	}
	r = fetch(l, k);
	return r ? metadata_absent(l, "kubelet", r) : find(l, k, found);
}

static bool wants(const struct lookup *l)
{
	return l->what.pod[0] != '\0';
}

const struct metadata_source source_kubelet = { .wants = wants, .look = look, .start = start, .stop = stop };
