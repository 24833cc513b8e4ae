/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/cri.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/kube.h"
#include "aggregate/metadata.h"
#include "aggregate/pb.h"

enum { CONTAINER_EXITED = 2 }; /* ContainerState */

static json_t *map_of(json_t *found, const char *field)
{
	json_t *map = json_object_get(found, field);

	if (!map) {
		map = json_object();
		json_object_set_new(found, field, map);
	}
	return map;
}

/* Item number 1 of a list response whose id is that one. */
static int find_item(const void *message, size_t len, const char *id, struct pb *ret)
{
	struct pb list = pb_over(message, len);
	struct pb_field f;
	char text[128];

	while (pb_next(&list, &f)) {
		if (f.number != 1 || !f.is_bytes)
			continue;
		pb_copy_text(f.message, 1, text, sizeof(text));
		if (strcmp(text, id))
			continue;
		*ret = f.message;
		return 1;
	}
	return list.bad ? -EBADMSG : 0;
}

/* PodSandbox: id 1, metadata 2 (name 1, uid 2, namespace 3), labels 5, annotations 6. */
int cri_sandbox(const void *message, size_t len, const char *id, json_t *found)
{
	struct pb item, metadata;
	json_t *labels;
	int r = find_item(message, len, id, &item);

	if (r != 1)
		return r;
	metadata = pb_message(item, 2);
	pb_set_text(metadata, 1, found, "pod");
	pb_set_text(metadata, 2, found, "pod_uid");
	pb_set_text(metadata, 3, found, "namespace");
	labels = map_of(found, "labels");
	pb_set_map(item, 5, labels);
	pb_set_map(item, 6, map_of(found, "annotations"));
	kube_owner(labels, NULL, metadata_text(found, "pod"), found);
	if (!json_object_get(found, "role")) {
		metadata_set(found, "id", id);
		metadata_set(found, "role", "sandbox");
		metadata_set(found, "name", "POD");
	}
	return 1;
}

/*
 * Container: id 1, pod_sandbox_id 2, metadata 3 (name 1, attempt 2), image 4 (image 1), state 6, labels 8,
 * annotations 9.
 */
int cri_container(const void *message, size_t len, const char *id, json_t *found, char ret_sandbox[128])
{
	struct pb item, metadata;
	json_t *annotations;
	const char *restarts;
	int r = find_item(message, len, id, &item);

	if (r != 1)
		return r;
	metadata = pb_message(item, 3);
	pb_copy_text(item, 2, ret_sandbox, 128);
	metadata_set(found, "id", id);
	metadata_set(found, "role", "container");
	pb_set_text(metadata, 1, found, "name");
	pb_set_text(pb_message(item, 4), 1, found, "image");
	pb_set_map(item, 8, map_of(found, "labels"));
	annotations = map_of(found, "annotations");
	pb_set_map(item, 9, annotations);
	kube_labels(json_object_get(found, "labels"), found);
	restarts = metadata_text(annotations, "io.kubernetes.container.restartCount");
	json_object_set_new(found, "restarts",
			    json_integer(*restarts ? strtoll(restarts, NULL, 10) : (json_int_t)pb_number(metadata, 2)));
	/* By digest only: the bundle's name for it is the better one. */
	if (!strncmp(metadata_text(found, "image"), "sha256:", 7))
		json_object_del(found, "image");
	return 1;
}

/* ContainerStatusResponse: status 1; ContainerStatus: state 3, exit_code 7, reason 10. */
void cri_ended(const void *message, size_t len, json_t *found)
{
	struct pb status = pb_message(pb_over(message, len), 1);

	if (pb_number(status, 3) != CONTAINER_EXITED)
		return;
	json_object_set_new(found, "exit_code", json_integer((int32_t)pb_number(status, 7)));
	pb_set_text(status, 10, found, "exit_reason");
}
