/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/httpc.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "aggregate/metadata.h"

#define CONNECT_TIMEOUT_MS 300L
#define GRPC_FRAME 5 /* one byte "compressed", four of length, big-endian */
#define GRPC_NOT_FOUND 5
#define GRPC_UNIMPLEMENTED 12

struct httpc {
	CURL *curl;
	struct strbuf *body;
	bool too_large;
	int grpc_status; /* -1: none seen */
};

int httpc_global(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) ? -EIO : 0;
}

struct httpc *httpc_new(void)
{
	struct httpc *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->curl = curl_easy_init();
	if (c->curl)
		return c;
	free(c);
	return NULL;
}

void httpc_free(struct httpc *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	free(c);
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
	struct httpc *c = ctx;
	size_t len = size * count;

	if (len > METADATA_FILE_MAX - c->body->len) {
		c->too_large = true;
		return 0;
	}
	strbuf_add(c->body, data, len);
	return len;
}

/* Trailers come here as well. */
static size_t take_header(char *data, size_t size, size_t count, void *ctx)
{
	static const char name[] = "grpc-status:";
	struct httpc *c = ctx;
	size_t len = size * count;
	char value[16];

	if (len > sizeof(name) && !strncasecmp(data, name, sizeof(name) - 1)) {
		snprintf(value, sizeof(value), "%.*s", (int)MIN(len - sizeof(name) + 1, sizeof(value) - 1),
			 data + sizeof(name) - 1);
		c->grpc_status = (int)strtol(value, NULL, 10);
	}
	return len;
}

static int error_of(const struct httpc *c, CURLcode code)
{
	long os = 0;

	if (c->too_large)
		return -EFBIG;
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return -EKEYREJECTED;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os);
		return os == EACCES || os == EPERM ? -EACCES : -ENOENT;
	default:
		return -EPROTO;
	}
}

/* An address in the environment must not send a runtime's secrets through a proxy. */
static void set_common(struct httpc *c, const char *socket, const char *url, struct strbuf *body)
{
	curl_easy_reset(c->curl);
	strbuf_reset(body);
	c->body = body;
	c->too_large = false;
	c->grpc_status = -1;
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, HTTPC_TIMEOUT_MS);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	if (socket)
		curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, socket);
}

/* No socket is no reason to wait for one. */
static bool is_socket(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISSOCK(st.st_mode);
}

static int perform(struct httpc *c, struct curl_slist *headers)
{
	long status = 0;
	int r;

	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	r = error_of(c, curl_easy_perform(c->curl));
	curl_slist_free_all(headers);
	if (r)
		return r;
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 404)
		return -ENOENT;
	if (status == 401 || status == 403)
		return -EACCES;
	return status == 200 ? strbuf_error(c->body) : -EPROTO;
}

static struct curl_slist *add_header(struct curl_slist *list, const char *format, const char *value)
{
	char text[4096];

	if ((size_t)snprintf(text, sizeof(text), format, value) < sizeof(text))
		list = curl_slist_append(list, text);
	return list;
}

static bool is_loopback(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len;

	if (!host)
		return false;
	host += 3;
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#@");
	if (host[len] == '@')
		return false;
	return (len == 9 && !strncmp(host, "localhost", len)) || (len == 5 && !strncmp(host, "[::1]", len)) ||
	       (!strncmp(host, "127.", 4) && strspn(host, "0123456789.") == len);
}

static struct curl_slist *set_trust(struct httpc *c, const char *url, const struct httpc_trust *trust)
{
	bool named = trust->ca && *trust->ca;

	if (named)
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, trust->ca);
	else if (is_loopback(url)) {
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return trust->token && *trust->token ? add_header(NULL, "Authorization: Bearer %s", trust->token) : NULL;
}

int httpc_get(struct httpc *c, const char *socket, const char *url, const struct httpc_trust *trust,
	      struct strbuf *ret_body)
{
	if (socket && !is_socket(socket))
		return -ENOENT;
	set_common(c, socket, url, ret_body);
	return perform(c, trust ? set_trust(c, url, trust) : NULL);
}

/* The one message of a unary call, in place of its frame. */
static int unframe(struct strbuf *body)
{
	const unsigned char *p = (const unsigned char *)strbuf_str(body);
	uint32_t len;

	if (body->len < GRPC_FRAME || p[0])
		return -EPROTO;
	len = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	if (len != body->len - GRPC_FRAME)
		return -EPROTO;
	memmove(body->data, body->data + GRPC_FRAME, len + 1);
	body->len = len;
	return 0;
}

int httpc_grpc(struct httpc *c, const char *socket, const char *method, const char *ns, const void *message, size_t len,
	       struct strbuf *ret_message)
{
	AUTO(strbuf) struct strbuf request = STRBUF_INIT, url = STRBUF_INIT;
	const unsigned char frame[GRPC_FRAME] = { 0, (unsigned char)(len >> 24), (unsigned char)(len >> 16),
						  (unsigned char)(len >> 8), (unsigned char)len };
	struct curl_slist *headers = NULL;
	int r;

	if (!is_socket(socket))
		return -ENOENT;
	strbuf_add(&request, frame, sizeof(frame));
	strbuf_add(&request, message, len);
	strbuf_addf(&url, "http://localhost%s", method);
	set_common(c, socket, strbuf_str(&url), ret_message);
	curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	/* libcurl 7.88 takes a connection up again and then fails in its HTTP/2 layer (CURLE_HTTP2). */
	curl_easy_setopt(c->curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, strbuf_str(&request));
	curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)request.len);
	headers = curl_slist_append(headers, "content-type: application/grpc");
	headers = curl_slist_append(headers, "te: trailers");
	if (ns)
		headers = add_header(headers, "containerd-namespace: %s", ns);
	r = perform(c, headers);
	if (r)
		return r;
	if (c->grpc_status == GRPC_NOT_FOUND || c->grpc_status == GRPC_UNIMPLEMENTED)
		return -ENOENT;
	return c->grpc_status ? -EPROTO : unframe(ret_message);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

struct httpc_lines {
	struct httpc *http;
	CURLM *multi;
	atomic_bool stop;
	struct strbuf rest; /* of a line that has not ended */
	void (*fn)(void *ctx, const char *line, size_t len);
	void *ctx;
};

struct httpc_lines *httpc_lines_new(void)
{
	struct httpc_lines *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->http = httpc_new();
	l->multi = curl_multi_init();
	if (l->http && l->multi)
		return l;
	httpc_lines_free(l);
	return NULL;
}

void httpc_lines_free(struct httpc_lines *l)
{
	if (!l)
		return;
	httpc_free(l->http);
	if (l->multi)
		curl_multi_cleanup(l->multi);
	strbuf_cleanup(&l->rest);
	free(l);
}

void httpc_lines_stop(struct httpc_lines *l)
{
	atomic_store(&l->stop, true);
	curl_multi_wakeup(l->multi);
}

static size_t take_lines(char *data, size_t size, size_t count, void *ctx)
{
	struct httpc_lines *l = ctx;
	size_t len = size * count;

	for (const char *at = data, *end; at < data + len; at = end + 1) {
		end = memchr(at, '\n', len - (size_t)(at - data));
		strbuf_add(&l->rest, at, (size_t)((end ? end : data + len) - at));
		if (l->rest.len > HTTPC_LINE_MAX) {
			l->http->too_large = true;
			return 0;
		}
		if (!end)
			break;
		l->fn(l->ctx, strbuf_str(&l->rest), l->rest.len);
		strbuf_reset(&l->rest);
	}
	return len;
}

/* Runs the one transfer until it ends or somebody says stop. */
static CURLcode transfer(struct httpc_lines *l, bool *ret_stopped)
{
	CURLcode code = CURLE_RECV_ERROR;
	int running = 1, left;
	CURLMsg *message;

	while (!(*ret_stopped = atomic_load(&l->stop)) && running) {
		if (curl_multi_perform(l->multi, &running))
			return CURLE_RECV_ERROR;
		if (running && curl_multi_poll(l->multi, NULL, 0, 60000, NULL))
			return CURLE_RECV_ERROR;
	}
	while ((message = curl_multi_info_read(l->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			code = message->data.result;
	return code;
}

int httpc_lines_read(struct httpc_lines *l, const char *socket, const char *url,
		     void (*fn)(void *ctx, const char *line, size_t len), void *ctx)
{
	CURL *curl = l->http->curl;
	long status = 0;
	bool stopped;
	CURLcode code;

	if (!is_socket(socket))
		return -ENOENT;
	set_common(l->http, socket, url, &l->rest);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_lines);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, l);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	l->fn = fn;
	l->ctx = ctx;
	if (curl_multi_add_handle(l->multi, curl))
		return -ENOMEM;
	code = transfer(l, &stopped);
	curl_multi_remove_handle(l->multi, curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (stopped)
		return -ECANCELED;
	return status == 200 || code ? error_of(l->http, code) : -EPROTO;
}
