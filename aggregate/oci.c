/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/oci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/kube.h"
#include "aggregate/metadata.h"
#include "base/cleanup.h"

#define TASKS "/io.containerd.runtime.v2.task/"
#define SHARES_PER_CPU 1024.0 /* the kubelet's rule, MilliCPUToShares() */

/* ---- is it the one ------------------------------------------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "SLICE:PREFIX:ID" with the systemd driver becomes .../PREFIX-ID.scope, or with cgroupfs a directory of that name. */
static bool is_for_scope(const char *wanted, const char *path)
{
	const char *prefix = strchr(wanted, ':'), *id = prefix ? strchr(prefix + 1, ':') : NULL;
	char scope[512];

	if (!id)
		return false;
	if (!strcmp(last_part(path), wanted))
		return true;
	snprintf(scope, sizeof(scope), "%.*s%s%s.scope", (int)(id - prefix - 1), prefix + 1, id - prefix > 1 ? "-" : "",
		 id + 1);
	return !strcmp(last_part(path), scope);
}

bool oci_is_for(const json_t *config, const char *path, const char *id)
{
	const char *wanted = metadata_text(json_object_get(config, "linux"), "cgroupsPath");
	size_t len, n;

	if (!*wanted)
		return *id && !strcmp(last_part(path), id);
	if (is_for_scope(wanted, path))
		return true;
	/* Below the runtime's own cgroup when relative, or when the runtime itself runs in a cgroup namespace. */
	wanted += strspn(wanted, "/");
	len = strlen(path);
	n = strlen(wanted);
	return n && len > n && path[len - n - 1] == '/' && !strcmp(path + len - n, wanted);
}

/* ---- annotations --------------------------------------------------------------------------------------------- */

/* Annotation to fact.  Where both are there, those that stand later win. */
static const struct {
	const char *annotation, *field;
} by_annotation[] = {
	{ "io.kubernetes.cri.container-name", "name" },
	{ "io.kubernetes.cri.image-name", "image" },
	{ "io.kubernetes.cri.sandbox-name", "pod" },
	{ "io.kubernetes.cri.sandbox-namespace", "namespace" },
	{ "io.kubernetes.cri.sandbox-uid", "pod_uid" },
	{ "io.kubernetes.cri.container-type", "role" },
	{ "io.kubernetes.container.name", "name" },
	{ "io.kubernetes.pod.name", "pod" },
	{ "io.kubernetes.pod.namespace", "namespace" },
	{ "io.kubernetes.pod.uid", "pod_uid" },
	{ "io.kubernetes.cri-o.ImageName", "image" },
	{ "io.kubernetes.cri-o.ContainerType", "role" },
};

/* What the runtimes keep for themselves. */
static bool is_internal(const char *annotation)
{
	static const char *const prefixes[] = { "io.kubernetes.cri-o.", "io.podman.annotations.", "io.container.manager",
						"io.kubernetes.cri." };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(annotation, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static void annotation_facts(const json_t *annotations, json_t *found)
{
	json_t *own = json_object(), *labels, *value;
	const char *restarts = metadata_text(annotations, "io.kubernetes.container.restartCount"), *key;

	for (size_t i = 0; i < ARRAY_SIZE(by_annotation); i++)
		metadata_set(found, by_annotation[i].field, metadata_text(annotations, by_annotation[i].annotation));
	json_object_foreach((json_t *)annotations, key, value)
		if (!is_internal(key))
			json_object_set(own, key, value);
	json_object_set_new(found, "annotations", own);
	if (*restarts)
		json_object_set_new(found, "restarts", json_integer(strtoll(restarts, NULL, 10)));
	labels = json_loads(metadata_text(annotations, "io.kubernetes.cri-o.Labels"), JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(labels))
		json_object_set(found, "labels", labels);
	kube_owner(labels, NULL, metadata_text(found, "pod"), found);
	json_decref(labels);
	if (!strcmp(metadata_text(found, "role"), "sandbox"))
		metadata_set(found, "name", "POD");
}

/* ---- runtime ------------------------------------------------------------------------------------------------- */

/* containerd keeps bundles in TASKS/NAMESPACE/ID; "moby" is Docker's, "k8s.io" the CRI plug-in's. */
static bool containerd_facts(const char *dir, const char *id, json_t *found)
{
	const char *tasks = strstr(dir, TASKS), *space = tasks ? tasks + strlen(TASKS) : NULL;
	char name[128];

	if (!space)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)MIN(strcspn(space, "/"), sizeof(name) - 1), space);
	metadata_set(found, "runtime", strcmp(name, "moby") ? "containerd" : "docker");
	if (strcmp(name, "moby") && strcmp(name, "k8s.io")) {
		metadata_set(found, "namespace", name);
		metadata_set(found, "name", id);
	}
	return true;
}

static bool manager_facts(const json_t *annotations, json_t *found)
{
	const char *manager = metadata_text(annotations, "io.container.manager");

	if (!*manager)
		return false;
	metadata_set(found, "runtime", strcmp(manager, "libpod") ? manager : "podman");
	return true;
}

/* ---- limits -------------------------------------------------------------------------------------------------- */

static void limit_facts(const json_t *resources, bool kubernetes, json_t *found)
{
	const json_t *cpu = json_object_get(resources, "cpu"), *memory = json_object_get(resources, "memory");
	json_int_t quota = json_integer_value(json_object_get(cpu, "quota"));
	json_int_t period = json_integer_value(json_object_get(cpu, "period"));
	json_int_t shares = json_integer_value(json_object_get(cpu, "shares"));
	json_int_t bytes = json_integer_value(json_object_get(memory, "limit"));
	json_int_t reserved = json_integer_value(json_object_get(memory, "reservation"));
	json_int_t pids = json_integer_value(json_object_get(json_object_get(resources, "pids"), "limit"));
	json_t *limits = json_object(), *requests = json_object();

	if (quota > 0 && period > 0)
		json_object_set_new(limits, "cpu", json_real((double)quota / (double)period));
	if (bytes > 0)
		json_object_set_new(limits, "memory", json_integer(bytes));
	if (pids > 0)
		json_object_set_new(limits, "pids", json_integer(pids));
	if (kubernetes && shares > 2) /* 2 is "none asked for" */
		json_object_set_new(requests, "cpu", json_real((double)shares / SHARES_PER_CPU));
	if (reserved > 0)
		json_object_set_new(requests, "memory", json_integer(reserved));
	json_object_set_new(found, "limits", limits);
	json_object_set_new(found, "requests", requests);
}

void oci_facts(const json_t *config, const char *dir, const char *id, json_t *found)
{
	const json_t *annotations = json_object_get(config, "annotations");

	metadata_set(found, "id", id);
	metadata_set(found, "bundle", dir);
	if (!manager_facts(annotations, found))
		containerd_facts(dir, id, found);
	annotation_facts(annotations, found);
	if (!*metadata_text(found, "role"))
		metadata_set(found, "role", "container");
	limit_facts(json_object_get(json_object_get(config, "linux"), "resources"), *metadata_text(found, "pod") != '\0',
		    found);
}
