/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/kube.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/metadata.h"
#include "base/cleanup.h"

#define CRON_DIGITS 8 /* a CronJob names its jobs NAME-MINUTES, minutes since 1970 */

/* ---- owners -------------------------------------------------------------------------------------------------- */

static void set_owner(json_t *found, const char *kind, const char *name, size_t len)
{
	AUTO_FREE char *owner = NULL;

	if (!len || asprintf(&owner, "%s/%.*s", kind, (int)len, name) < 0) {
		owner = NULL;
		return;
	}
	for (char *c = owner; *c != '/'; c++)
		*c = (char)tolower((unsigned char)*c);
	json_object_set_new(found, "owner", json_string(owner));
}

/* The length of name without "-SUFFIX"; 0 when it does not end so. */
static size_t without_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return n && len > n + 1 && name[len - n - 1] == '-' && !strcmp(name + len - n, suffix) ? len - n - 1 : 0;
}

static size_t without_last_part(const char *name)
{
	const char *dash = strrchr(name, '-');

	return dash ? (size_t)(dash - name) : 0;
}

static void owner_of_job(json_t *found, const char *job)
{
	size_t len = without_last_part(job);
	size_t digits = len ? strspn(job + len + 1, "0123456789") : 0;

	if (digits >= CRON_DIGITS && !job[len + 1 + digits])
		set_owner(found, "cronjob", job, len);
	else
		set_owner(found, "job", job, strlen(job));
}

/* A Deployment names its ReplicaSets NAME-HASH and labels their pods with the hash. */
static void owner_of_set(json_t *found, const char *set, const char *hash)
{
	size_t len = without_suffix(set, hash);

	if (len)
		set_owner(found, "deployment", set, len);
	else
		set_owner(found, "replicaset", set, strlen(set));
}

static bool owner_by_reference(const json_t *labels, const json_t *references, json_t *found)
{
	const json_t *reference = NULL, *each;
	const char *kind, *name;
	size_t i;

	json_array_foreach((json_t *)references, i, each)
		if (!reference || json_is_true(json_object_get(each, "controller")))
			reference = each;
	kind = metadata_text(reference, "kind");
	name = metadata_text(reference, "name");
	if (!*kind || !*name)
		return false;
	if (!strcmp(kind, "ReplicaSet"))
		owner_of_set(found, name, metadata_text(labels, "pod-template-hash"));
	else if (!strcmp(kind, "Job"))
		owner_of_job(found, name);
	else
		set_owner(found, kind, name, strlen(name));
	return true;
}

void kube_owner(const json_t *labels, const json_t *references, const char *pod, json_t *found)
{
	const char *hash = metadata_text(labels, "pod-template-hash");
	const char *job = metadata_text(labels, "batch.kubernetes.io/job-name");
	char set[256];

	if (owner_by_reference(labels, references, found))
		return;
	if (!*job)
		job = metadata_text(labels, "job-name");
	snprintf(set, sizeof(set), "%.*s", (int)MIN(without_last_part(pod), sizeof(set) - 1), pod);
	if (*hash && without_suffix(set, hash))
		owner_of_set(found, set, hash);
	else if (*metadata_text(labels, "statefulset.kubernetes.io/pod-name"))
		set_owner(found, "statefulset", pod, without_last_part(pod));
	else if (*job)
		owner_of_job(found, job);
	else if (*metadata_text(labels, "controller-revision-hash") && *metadata_text(labels, "pod-template-generation"))
		set_owner(found, "daemonset", pod, without_last_part(pod));
}

void kube_labels(const json_t *labels, json_t *found)
{
	metadata_set(found, "name", metadata_text(labels, "io.kubernetes.container.name"));
	metadata_set(found, "pod", metadata_text(labels, "io.kubernetes.pod.name"));
	metadata_set(found, "namespace", metadata_text(labels, "io.kubernetes.pod.namespace"));
	metadata_set(found, "pod_uid", metadata_text(labels, "io.kubernetes.pod.uid"));
}

/* ---- quantities ---------------------------------------------------------------------------------------------- */

double kube_quantity(const char *text)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {
		{ "", 1 },	  { "m", 1e-3 },      { "k", 1e3 },	  { "M", 1e6 },	       { "G", 1e9 },
		{ "T", 1e12 },	  { "Ki", 1024 },     { "Mi", 1048576 }, { "Gi", 1073741824 }, { "Ti", 1099511627776 },
		{ "u", 1e-6 },	  { "n", 1e-9 },
	};
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(end, units[i].suffix))
			return value * units[i].factor;
	return -1;
}

static void set_quantities(const json_t *resources, const char *from, const char *field, json_t *found)
{
	double cpu = kube_quantity(metadata_text(json_object_get(resources, from), "cpu"));
	double memory = kube_quantity(metadata_text(json_object_get(resources, from), "memory"));
	json_t *map = json_object();

	if (cpu > 0)
		json_object_set_new(map, "cpu", json_real(cpu));
	if (memory > 0 && memory < 1e18)
		json_object_set_new(map, "memory", json_integer((json_int_t)memory));
	json_object_set_new(found, field, map);
}

/* ---- a kubelet's pods ---------------------------------------------------------------------------------------- */

static const struct {
	const char *statuses, *specs, *role;
} pod_lists[] = {
	{ "containerStatuses", "containers", "container" },
	{ "initContainerStatuses", "initContainers", "init" },
	{ "ephemeralContainerStatuses", "ephemeralContainers", "ephemeral" },
};

static const json_t *find_named(const json_t *list, const char *name)
{
	const json_t *each;
	size_t i;

	json_array_foreach((json_t *)list, i, each)
		if (!strcmp(metadata_text(each, "name"), name))
			return each;
	return NULL;
}

static void pod_facts(const json_t *pod, json_t *found)
{
	const json_t *meta = json_object_get(pod, "metadata"), *labels = json_object_get(meta, "labels");
	const char *qos = metadata_text(json_object_get(pod, "status"), "qosClass");
	char lower[16] = "";

	metadata_set(found, "pod", metadata_text(meta, "name"));
	metadata_set(found, "pod_uid", metadata_text(meta, "uid"));
	metadata_set(found, "namespace", metadata_text(meta, "namespace"));
	if (json_is_object(labels))
		json_object_set(found, "labels", (json_t *)labels);
	if (json_is_object(json_object_get(meta, "annotations")))
		json_object_set(found, "annotations", json_object_get(meta, "annotations"));
	for (size_t i = 0; i + 1 < sizeof(lower) && qos[i]; i++)
		lower[i] = (char)tolower((unsigned char)qos[i]);
	metadata_set(found, "qos", lower);
	kube_owner(labels, json_object_get(meta, "ownerReferences"), metadata_text(meta, "name"), found);
}

static void exit_facts(const json_t *status, json_t *found)
{
	const json_t *terminated = json_object_get(json_object_get(status, "state"), "terminated");

	if (!json_is_object(terminated))
		return;
	json_object_set(found, "exit_code", json_object_get(terminated, "exitCode"));
	metadata_set(found, "exit_reason", metadata_text(terminated, "reason"));
}

static void container_facts(const json_t *pod, size_t list, const json_t *status, json_t *found)
{
	const char *name = metadata_text(status, "name"), *id = metadata_text(status, "containerID");
	const json_t *spec = find_named(json_object_get(json_object_get(pod, "spec"), pod_lists[list].specs), name);
	const json_t *resources = json_object_get(spec, "resources");
	const char *scheme = strstr(id, "://");
	char runtime[32];

	pod_facts(pod, found);
	snprintf(runtime, sizeof(runtime), "%.*s", scheme ? (int)MIN(scheme - id, 31) : 0, id);
	metadata_set(found, "runtime", runtime);
	metadata_set(found, "id", scheme ? scheme + 3 : "");
	metadata_set(found, "name", name);
	metadata_set(found, "role", pod_lists[list].role);
	metadata_set(found, "image", metadata_text(*metadata_text(status, "image") ? status : spec, "image"));
	json_object_set(found, "restarts", json_object_get(status, "restartCount"));
	set_quantities(resources, "limits", "limits", found);
	set_quantities(resources, "requests", "requests", found);
	exit_facts(status, found);
}

static bool has_id(const json_t *status, const char *id)
{
	const char *text = metadata_text(status, "containerID"), *scheme = strstr(text, "://");

	return scheme && !strcmp(scheme + 3, id);
}

static bool find_in_pod(const json_t *pod, const char *id, json_t *found)
{
	for (size_t i = 0; i < ARRAY_SIZE(pod_lists); i++) {
		const json_t *list = json_object_get(json_object_get(pod, "status"), pod_lists[i].statuses), *each;
		size_t j;

		json_array_foreach((json_t *)list, j, each) {
			if (!has_id(each, id))
				continue;
			container_facts(pod, i, each, found);
			return true;
		}
	}
	return false;
}

int kube_find(const json_t *pods, const char *id, json_t *found)
{
	const json_t *pod;
	size_t i;

	json_array_foreach(json_object_get(pods, "items"), i, pod)
		if (find_in_pod(pod, id, found))
			return 1;
	return 0;
}

/* Cgroups of static pods carry the hash of their configuration, which is their uid there. */
int kube_find_pod(const json_t *pods, const char *uid, json_t *found)
{
	const json_t *pod;
	size_t i;

	json_array_foreach(json_object_get(pods, "items"), i, pod) {
		const json_t *meta = json_object_get(pod, "metadata");

		if (strcmp(metadata_text(meta, "uid"), uid) &&
		    strcmp(metadata_text(json_object_get(meta, "annotations"), "kubernetes.io/config.hash"), uid))
			continue;
		pod_facts(pod, found);
		return 1;
	}
	return 0;
}
