/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's own API, for containers that are not Kubernetes': labels and image
 * (containerd, api/services/containers/v1/containers.proto: GetContainerResponse.container = 1; Container: id 1,
 * labels 2, image 3).  Its namespace is the first part of the cgroup's path, as ctr makes it, or the usual one.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/httpc.h"
#include "aggregate/metadata.h"
#include "aggregate/pb.h"

static void namespace_of(const char *path, char ret[64])
{
	path += strspn(path, "/");
	snprintf(ret, 64, "%.*s", (int)MIN(strcspn(path, "/"), (size_t)63), path);
	if (strchr(ret, '.'))
		snprintf(ret, 64, "default");
}

static int look(struct lookup *l, json_t *found)
{
	AUTO(strbuf) struct strbuf request = STRBUF_INIT, body = STRBUF_INIT;
	char socket[PATH_MAX], name[64];
	json_t *labels = json_object();
	struct pb container;
	int r;

	snprintf(socket, sizeof(socket), "%.4000s/run/containerd/containerd.sock", l->root);
	namespace_of(l->path, name);
	pb_put_text(&request, 1, l->id);
	r = httpc_grpc(l->state, socket, "/containerd.services.containers.v1.Containers/Get", name,
		       strbuf_str(&request), request.len, &body);
	if (r) {
		json_decref(labels);
		return metadata_absent(l, "containerd.sock", r);
	}
	container = pb_message(pb_over(strbuf_str(&body), body.len), 1);
	pb_set_text(container, 1, found, "id");
	pb_set_map(container, 2, labels);
	json_object_set_new(found, "labels", labels);
	pb_set_text(container, 3, found, "image");
	metadata_set(found, "namespace", name);
	metadata_set(found, "runtime", "containerd");
	return *metadata_text(found, "id") ? 1 : -EBADMSG;
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME && !strcmp(l->what.runtime, "containerd") && !l->what.pod[0];
}

const struct metadata_source source_containerd = {
	.wants = wants, .look = look, .start = metadata_start_http, .stop = metadata_stop_http
};
