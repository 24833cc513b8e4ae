/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/docker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/httpc.h"
#include "aggregate/kube.h"
#include "base/cleanup.h"
#include "base/fileutil.h"

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

/* The inode of the socket that listens at that path, as /proc/net/unix has it (af_unix.c, unix_seq_show()); 0 none. */
static unsigned long long listening_inode(const char *root, const char *socket)
{
	const char *other = strncmp(socket, "/var/run/", 9) ? socket : socket + 4; /* mostly a link to /run */
	AUTO_FREE char *text = NULL;
	char path[PATH_MAX];
	char *line, *save = NULL;

	snprintf(path, sizeof(path), "%.4000s/proc/net/unix", root);
	if (file_read_alloc(AT_FDCWD, path, 16 << 20, &text, NULL))
		return 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long inode;
		unsigned int flags;
		int at = 0;

		if (sscanf(line, "%*[^:]: %*x %*x %x %*x %*x %llu %n", &flags, &inode, &at) == 2 && at &&
		    flags & __SO_ACCEPTCON && (!strcmp(line + at, socket) || !strcmp(line + at, other)))
			return inode;
	}
	return 0;
}

static bool holds(const char *root, int pid, unsigned long long inode)
{
	char path[PATH_MAX], wanted[64], link[64];
	const struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(wanted, sizeof(wanted), "socket:[%llu]", inode);
	snprintf(path, sizeof(path), "%.4000s/proc/%d/fd", root, pid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		link[MAX(n, 0)] = '\0';
		found = !strcmp(link, wanted);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_daemon(const char *root, const char *pid, const struct docker_api *api)
{
	char path[PATH_MAX], text[1024];
	ssize_t n;

	snprintf(path, sizeof(path), "%.4000s/proc/%.16s/comm", root, pid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, api->daemon))
		return false;
	snprintf(path, sizeof(path), "%.4000s/proc/%.16s/cmdline", root, pid);
	n = file_read(AT_FDCWD, path, text, sizeof(text));
	return !api->argument || (n > 0 && memmem(text, (size_t)n, api->argument, strlen(api->argument) + 1));
}

static bool daemon_runs(const char *root, const struct docker_api *api)
{
	const struct dirent *e;
	char path[PATH_MAX];
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%.4000s/proc", root);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			found = is_daemon(root, e->d_name, api);
	if (dir)
		closedir(dir);
	return found;
}

/*
 * systemd listens for services that do not run and starts them when somebody asks (systemd.socket(5)).  To watch is not
 * to start anything, nor to undo that somebody stopped it.
 */
static bool would_start(const char *root, const struct docker_api *api)
{
	unsigned long long inode;
	char path[PATH_MAX];

	/* Mostly there is none, and the list of all sockets may be long. */
	snprintf(path, sizeof(path), "%.4000s%s", root, api->socket);
	if (access(path, F_OK) < 0)
		return false;
	inode = listening_inode(root, api->socket);
	return inode && holds(root, 1, inode) && !daemon_runs(root, api);
}

int docker_api_look(const struct docker_api *api, struct lookup *l, json_t *found)
{
	AUTO(strbuf) struct strbuf body = STRBUF_INIT;
	char socket[PATH_MAX], url[256];
	json_t *container;
	int r;

	if (would_start(l->root, api)) {
		snprintf(l->why, sizeof(l->why), "%s: not asked, because that would start %s", api->name, api->daemon);
		return -EHOSTDOWN;
	}
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
	if (would_start(metadata_root(l), api))
		return;
	httpc_lines_read(metadata_lines(l), socket, url, take_event, l);
}
