/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the container runtime interface as a kubelet would send them, for a shell with curl:
 *   cri pod NAME NAMESPACE UID                 RunPodSandboxRequest
 *   cri container SANDBOX NAME NAMESPACE UID POD COMMAND FOLDER [limits]   CreateContainerRequest; FOLDER is its /out
 *   cri id ID                                  any request that is one id
 *   cri answer                                 reads an answer, prints its first text
 * Requests are written with their gRPC frame.  Field numbers are those of cri-api, runtime/v1/api.proto.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/pb.h"
#include "base/cleanup.h"

#define NODE 2 /* NamespaceMode: the host's network */
#define CONTAINER 1

static void put_pair(struct strbuf *b, unsigned int number, const char *key, const char *value)
{
	AUTO(strbuf) struct strbuf pair = STRBUF_INIT;

	pb_put_text(&pair, 1, key);
	pb_put_text(&pair, 2, value);
	pb_put_message(b, number, &pair);
}

/* security_context of number `number`, with namespace_options as its field `options`. */
static void put_security(struct strbuf *b, unsigned int number, unsigned int options)
{
	AUTO(strbuf) struct strbuf namespaces = STRBUF_INIT, context = STRBUF_INIT;

	pb_put_number(&namespaces, 1, NODE);
	pb_put_number(&namespaces, 2, CONTAINER);
	pb_put_message(&context, options, &namespaces);
	pb_put_message(b, number, &context);
}

static void sandbox_config(struct strbuf *b, const char *name, const char *space, const char *uid)
{
	AUTO(strbuf) struct strbuf metadata = STRBUF_INIT, config = STRBUF_INIT, text = STRBUF_INIT;

	pb_put_text(&metadata, 1, name);
	pb_put_text(&metadata, 2, uid);
	pb_put_text(&metadata, 3, space);
	pb_put_message(b, 1, &metadata);
	put_pair(b, 6, "app", "demo");
	put_pair(b, 6, "statefulset.kubernetes.io/pod-name", name);
	put_pair(b, 6, "io.kubernetes.pod.name", name);
	put_pair(b, 6, "io.kubernetes.pod.namespace", space);
	put_pair(b, 6, "io.kubernetes.pod.uid", uid);
	put_pair(b, 7, "team", "obs");
	strbuf_addf(&text, "/kubepods/burstable/pod%s", uid);
	pb_put_text(&config, 1, strbuf_str(&text));
	put_security(&config, 2, 1);
	pb_put_message(b, 8, &config);
}

static void container_config(struct strbuf *b, char **arg)
{
	AUTO(strbuf) struct strbuf metadata = STRBUF_INIT, image = STRBUF_INIT, resources = STRBUF_INIT,
				   config = STRBUF_INIT, mount = STRBUF_INIT;

	pb_put_text(&metadata, 1, arg[1]);
	pb_put_message(b, 1, &metadata);
	pb_put_text(&image, 1, "localhost/busybox:1");
	pb_put_message(b, 2, &image);
	pb_put_text(b, 3, "/bin/sh");
	pb_put_text(b, 4, "-c");
	pb_put_text(b, 4, arg[5]);
	pb_put_text(&mount, 1, "/out");
	pb_put_text(&mount, 2, arg[6]);
	pb_put_message(b, 7, &mount);
	put_pair(b, 9, "io.kubernetes.container.name", arg[1]);
	put_pair(b, 9, "io.kubernetes.pod.name", arg[4]);
	put_pair(b, 9, "io.kubernetes.pod.namespace", arg[2]);
	put_pair(b, 9, "io.kubernetes.pod.uid", arg[3]);
	put_pair(b, 10, "io.kubernetes.container.restartCount", "3");
	pb_put_number(&resources, 1, 100000);
	pb_put_number(&resources, 2, 20000);
	pb_put_number(&resources, 3, 204);
	pb_put_number(&resources, 4, 64 << 20);
	if (arg[7])
		pb_put_message(&config, 1, &resources);
	put_security(&config, 2, 3);
	pb_put_message(b, 15, &config);
}

static int send_framed(const struct strbuf *message)
{
	const unsigned char frame[5] = { 0, (unsigned char)(message->len >> 24), (unsigned char)(message->len >> 16),
					 (unsigned char)(message->len >> 8), (unsigned char)message->len };

	if (fwrite(frame, sizeof(frame), 1, stdout) != 1 ||
	    fwrite(strbuf_str(message), 1, message->len, stdout) != message->len)
		return 1;
	return fflush(stdout) != 0;
}

static int print_answer(void)
{
	char data[65536], text[256];
	size_t len = fread(data, 1, sizeof(data), stdin);

	if (len < 5)
		return 1;
	pb_copy_text(pb_over(data + 5, len - 5), 1, text, sizeof(text));
	puts(text);
	return !*text;
}

int main(int argc, char **argv)
{
	AUTO(strbuf) struct strbuf config = STRBUF_INIT, container = STRBUF_INIT, request = STRBUF_INIT;

	if (argc == 2 && !strcmp(argv[1], "answer"))
		return print_answer();
	if (argc == 3 && !strcmp(argv[1], "id")) {
		pb_put_text(&request, 1, argv[2]);
	} else if (argc == 5 && !strcmp(argv[1], "pod")) {
		sandbox_config(&config, argv[2], argv[3], argv[4]);
		pb_put_message(&request, 1, &config);
	} else if ((argc == 9 || argc == 10) && !strcmp(argv[1], "container")) {
		pb_put_text(&request, 1, argv[2]);
		container_config(&container, argv + 2);
		pb_put_message(&request, 2, &container);
		sandbox_config(&config, argv[6], argv[4], argv[5]);
		pb_put_message(&request, 3, &config);
	} else {
		return 2;
	}
	return send_framed(&request);
}
