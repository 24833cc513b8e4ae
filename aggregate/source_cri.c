/* SPDX-License-Identifier: Apache-2.0 */
/* The container runtime interface that a kubelet uses, on the sockets of containerd, CRI-O and cri-dockerd. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/cri.h"
#include "aggregate/httpc.h"
#include "aggregate/metadata.h"
#include "aggregate/pb.h"

#define SERVICE "/runtime.v1.RuntimeService/"

static const struct {
	const char *socket, *runtime;
} runtimes[] = {
	{ "/run/containerd/containerd.sock", "containerd" },
	{ "/run/crio/crio.sock", "cri-o" },
	{ "/run/cri-dockerd.sock", "docker" },
};

/* List requests have a filter as field 1, whose field 1 is an id. */
static int list_one(struct lookup *l, const char *socket, const char *method, const char *id, struct strbuf *ret)
{
	AUTO(strbuf) struct strbuf filter = STRBUF_INIT, request = STRBUF_INIT;

	pb_put_text(&filter, 1, id);
	pb_put_message(&request, 1, &filter);
	return httpc_grpc(l->state, socket, method, NULL, strbuf_str(&request), request.len, ret);
}

static void look_at_end(struct lookup *l, const char *socket, json_t *found)
{
	AUTO(strbuf) struct strbuf request = STRBUF_INIT, body = STRBUF_INIT;

	pb_put_text(&request, 1, l->id);
	if (!httpc_grpc(l->state, socket, SERVICE "ContainerStatus", NULL, strbuf_str(&request), request.len, &body))
		cri_ended(strbuf_str(&body), body.len, found);
}

static int look_at(struct lookup *l, const char *socket, json_t *found)
{
	AUTO(strbuf) struct strbuf body = STRBUF_INIT;
	char sandbox[128] = "";
	int r = list_one(l, socket, SERVICE "ListContainers", l->id, &body), container;

	if (r)
		return r;
	container = cri_container(strbuf_str(&body), body.len, l->id, found, sandbox);
	if (container < 0)
		return container;
	if (container && l->ended)
		look_at_end(l, socket, found);
	r = list_one(l, socket, SERVICE "ListPodSandbox", container ? sandbox : l->id, &body);
	if (!r)
		r = cri_sandbox(strbuf_str(&body), body.len, container ? sandbox : l->id, found);
	return container ? 1 : r;
}

static int look(struct lookup *l, json_t *found)
{
	char socket[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r <= 0 && i < ARRAY_SIZE(runtimes); i++) {
		int one;

		snprintf(socket, sizeof(socket), "%.4000s%s", l->root, runtimes[i].socket);
		one = look_at(l, socket, found);
		if (one == 1)
			metadata_set(found, "runtime", runtimes[i].runtime);
		r = one == 1 || !r ? (one < 0 ? metadata_absent(l, runtimes[i].socket, one) : one) : r;
	}
	return r;
}

static bool wants(const struct lookup *l)
{
	return l->what.kind == CONTAINER_RUNTIME && l->what.pod[0];
}

const struct metadata_source source_cri = {
	.wants = wants, .look = look, .start = metadata_start_http, .stop = metadata_stop_http
};
