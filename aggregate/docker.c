/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/docker.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/httpc.h"
#include "aggregate/kube.h"

static void state_facts(const json_t *state, json_t *found)
{
	const char *finished = metadata_text(state, "FinishedAt"), *status = metadata_text(state, "Status");
	char reason[64];

	/* A container that never ended did so in year 1. */
	if (json_is_true(json_object_get(state, "Running")) || !*finished || !strncmp(finished, "0001-", 5))
		return;
	json_object_set(found, "exit_code", json_object_get(state, "ExitCode"));
	if (json_is_true(json_object_get(state, "OOMKilled")))
		snprintf(reason, sizeof(reason), "OOMKilled");
	else
		snprintf(reason, sizeof(reason), "%.60s", *status ? status : "exited");
	metadata_set(found, "exit_reason", *metadata_text(state, "Error") ? metadata_text(state, "Error") : reason);
}

void docker_facts(const json_t *container, json_t *found)
{
	const json_t *config = json_object_get(container, "Config"), *labels = json_object_get(config, "Labels");
	const char *name = metadata_text(container, "Name"), *id = metadata_text(container, "ID");

	metadata_set(found, "id", *id ? id : metadata_text(container, "Id"));
	metadata_set(found, "name", name + (*name == '/'));
	metadata_set(found, "runtime", "docker");
	metadata_set(found, "role", "container");
	metadata_set(found, "image", metadata_text(config, "Image"));
	json_object_set(found, "restarts", json_object_get(container, "RestartCount"));
	if (json_is_object(labels)) {
		json_object_set(found, "labels", (json_t *)labels);
		kube_labels(labels, found); /* cri-dockerd */
		kube_owner(labels, NULL, metadata_text(found, "pod"), found);
	}
	state_facts(json_object_get(container, "State"), found);
}

void docker_limits(const json_t *host, json_t *found)
{
	json_int_t memory = json_integer_value(json_object_get(host, "Memory"));
	json_int_t nano = json_integer_value(json_object_get(host, "NanoCpus"));
	json_int_t quota = json_integer_value(json_object_get(host, "CpuQuota"));
	json_int_t period = json_integer_value(json_object_get(host, "CpuPeriod"));
	json_int_t pids = json_integer_value(json_object_get(host, "PidsLimit"));
	json_int_t reserved = json_integer_value(json_object_get(host, "MemoryReservation"));
	json_t *limits = json_object(), *requests = json_object();

	if (nano > 0)
		json_object_set_new(limits, "cpu", json_real((double)nano / 1e9));
	else if (quota > 0)
		json_object_set_new(limits, "cpu", json_real((double)quota / (double)(period > 0 ? period : 100000)));
	if (memory > 0)
		json_object_set_new(limits, "memory", json_integer(memory));
	if (pids > 0)
		json_object_set_new(limits, "pids", json_integer(pids));
	if (reserved > 0)
		json_object_set_new(requests, "memory", json_integer(reserved));
	json_object_set_new(found, "limits", limits);
	json_object_set_new(found, "requests", requests);
}

/* ---- over a socket ------------------------------------------------------------------------------------------------ */

int docker_api_look(const struct docker_api *api, struct lookup *l, json_t *found)
{
	AUTO(strbuf) struct strbuf body = STRBUF_INIT;
	char socket[PATH_MAX], url[256];
	json_t *container;
	int r;

	snprintf(socket, sizeof(socket), "%.4000s%s", l->root, api->socket);
	snprintf(url, sizeof(url), "http://localhost%s/containers/%s/json", api->prefix, l->id);
	r = httpc_get(l->state, socket, url, NULL, &body);
	if (r)
		return metadata_absent(l, api->name, r);
	r = metadata_parse_json(l, api->name, strbuf_str(&body), body.len, &container);
	if (r)
		return r;
	api->facts(container, found);
	json_decref(container);
	return 1;
}

/*
 * One event (https://docs.docker.com/engine/api/v1.43/#tag/System/operation/SystemEvents); Podman's words differ.  Those
 * that change what is known of a container; the others, such as each run of a health check, are of no use here.
 */
static void take_event(void *ctx, const char *line, size_t len)
{
	static const char *const actions[] = { "start", "rename", "update", "oom", "die", "died", "restart" };
	struct lookup scratch;
	json_t *event;

	if (metadata_parse_json(&scratch, "event", line, len, &event))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(metadata_text(event, "Action"), actions[i]))
			metadata_news(ctx, metadata_text(json_object_get(event, "Actor"), "ID"));
	json_decref(event);
}

void docker_api_listen(const struct docker_api *api, struct listener *l)
{
	char socket[PATH_MAX], url[256];

	snprintf(socket, sizeof(socket), "%.4000s%s", metadata_root(l), api->socket);
	/* {"type":["container"]} */
	snprintf(url, sizeof(url), "http://localhost%s/events?filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%5D%%7D",
		 api->prefix);
	/* A failure is one of the questions too, and booked there. */
	httpc_lines_read(metadata_lines(l), socket, url, take_event, l);
}
