/* SPDX-License-Identifier: Apache-2.0 */
#include "web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <string.h>

#include "base/timeutil.h"
#include "web/listen.h"
#include "web/routes.h"
#include "web/tls.h"

#define THREADS 4 /* a slow answer holds up the other connections of its thread */
#define CONNECTIONS_MAX 128
#define CONNECTION_MEMORY (64 * 1024)
#define IDLE_SECONDS 30
#define STREAM_BUFFER 4096

struct server {
	struct web *web;
	struct MHD_Daemon *daemon;
	struct tls *tls; /* NULL: plain HTTP */
	bool any_host;
};

/* Lives from the request line to the end of the answer. */
struct exchange {
	struct strbuf body;
	bool too_large;
};

static enum http_method method_of(const char *name)
{
	if (!strcmp(name, "GET"))
		return HTTP_GET;
	if (!strcmp(name, "HEAD"))
		return HTTP_HEAD;
	return strcmp(name, "POST") ? HTTP_OTHER : HTTP_POST;
}

static enum MHD_Result add_param(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	http_add_param(ctx, name, value);
	return MHD_YES;
}

/* Who is at the other end. */
static void describe_peer(const struct server *s, struct MHD_Connection *c, struct http_request *req)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	struct ucred cred;
	socklen_t cred_len = sizeof(cred);

	if (!fd || getpeername(fd->connect_fd, (struct sockaddr *)&addr, &len))
		return;
	web_host_name(&addr, req->from, sizeof(req->from));
	if (addr.ss_family == AF_UNIX && !getsockopt(fd->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len))
		snprintf(req->from, sizeof(req->from), "unix uid %u", cred.uid);
	len = sizeof(addr);
	if (s->any_host && !getsockname(fd->connect_fd, (struct sockaddr *)&addr, &len))
		web_host_name(&addr, req->own_host, sizeof(req->own_host));
}

static void add_headers(struct MHD_Response *out, const struct http_response *res)
{
	char disposition[160];

	MHD_add_response_header(out, "Content-Type", res->type ? res->type : "text/plain; charset=utf-8");
	MHD_add_response_header(out, "Content-Security-Policy",
				"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
				"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
	MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(out, "Referrer-Policy", "same-origin");
	MHD_add_response_header(out, "Cross-Origin-Resource-Policy", "same-origin");
	MHD_add_response_header(out, "Cache-Control", res->cacheable ? "no-cache" : "no-store");
	if (res->etag[0])
		MHD_add_response_header(out, "ETag", res->etag);
	if (res->allow[0])
		MHD_add_response_header(out, "Allow", res->allow);
	if (res->location.len)
		MHD_add_response_header(out, "Location", strbuf_str(&res->location));
	if (res->cookie.len)
		MHD_add_response_header(out, "Set-Cookie", strbuf_str(&res->cookie));
	if (res->status == 401)
		MHD_add_response_header(out, "WWW-Authenticate", "Bearer realm=\"kwhy\"");
	if (res->status == 503)
		MHD_add_response_header(out, "Retry-After", "1");
	if (res->filename[0]) {
		snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", res->filename);
		MHD_add_response_header(out, "Content-Disposition", disposition);
	}
}

/* A response that goes on until its client or the server leaves. */
struct listener {
	struct MHD_Connection *connection;
	struct stream_client *client;
};

static void listener_sleep(void *ctx)
{
	MHD_suspend_connection(ctx);
}

static void listener_wake(void *ctx)
{
	MHD_resume_connection(ctx);
}

static ssize_t listener_read(void *cls, uint64_t pos, char *buf, size_t size)
{
	struct listener *l = cls;
	const struct stream_sleep how = { listener_sleep, listener_wake, l->connection };
	ssize_t n = stream_read(l->client, buf, size, &how);

	(void)pos;
	return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static void listener_free(void *cls)
{
	struct listener *l = cls;

	stream_leave(l->client);
	free(l);
}

static struct MHD_Response *stream_response(struct MHD_Connection *c, struct http_response *res)
{
	struct listener *l = calloc(1, sizeof(*l));
	struct MHD_Response *out = NULL;

	if (l)
		out = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BUFFER, listener_read, l, listener_free);
	if (!out) {
		free(l);
		return NULL;
	}
	*l = (struct listener){ c, TAKE_PTR(res->stream) };
	return out;
}

static struct MHD_Response *body_response(struct http_response *res)
{
	size_t len = 0;
	char *data = strbuf_detach(&res->body, &len);
	struct MHD_Response *out;

	if (!data && !(data = strdup("")))
		return NULL;
	out = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
	if (!out)
		free(data);
	return out;
}

static enum MHD_Result send_response(struct MHD_Connection *c, struct http_response *res)
{
	struct MHD_Response *out = res->stream ? stream_response(c, res) : body_response(res);
	enum MHD_Result r;

	if (!out)
		return MHD_NO;
	add_headers(out, res);
	r = MHD_queue_response(c, res->status, out);
	MHD_destroy_response(out);
	return r;
}

static enum MHD_Result answer(struct server *s, struct MHD_Connection *c, const char *path, const char *method,
			      struct exchange *x)
{
	struct http_response res = { 0 };
	struct http_request req = {
		.method = method_of(method),
		.path = path,
		.host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host"),
		.accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept"),
		.content_type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type"),
		.last_event_id = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Last-Event-ID"),
		.if_none_match = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-None-Match"),
		.body = x->body.len ? strbuf_str(&x->body) : NULL,
		.authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization"),
		.cookie = MHD_lookup_connection_value(c, MHD_COOKIE_KIND, HTTP_COOKIE),
		.origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin"),
		.fetch_site = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Sec-Fetch-Site"),
		.method_name = method,
		.now_ns = time_wall_ns(),
	};
	enum MHD_Result r;

	describe_peer(s, c, &req);
	MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, add_param, &req);
	if (x->too_large) {
		http_problem(&res, 413, "A request body may have at most %d bytes.", HTTP_BODY_MAX);
		http_write_problem(&res, path);
	} else {
		routes_dispatch(s->web, &req, &res);
	}
	r = send_response(c, &res);
	http_response_cleanup(&res);
	return r;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct exchange *x = *state;

	(void)version;
	if (!x) {
		*state = x = calloc(1, sizeof(*x));
		return x ? MHD_YES : MHD_NO;
	}
	if (*upload_size) {
		x->too_large = x->too_large || x->body.len + *upload_size > HTTP_BODY_MAX;
		if (!x->too_large)
			strbuf_add(&x->body, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	return answer(cls, c, url, method, x);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;

	(void)cls;
	(void)c;
	(void)why;
	if (x)
		strbuf_cleanup(&x->body);
	free(x);
	*state = NULL;
}

/* TLS asks for a certificate before there is a request: the way to ours is what a connection was given. */
static void on_connection(void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode what)
{
	(void)c;
	*context = what == MHD_CONNECTION_NOTIFY_STARTED ? cls : NULL;
}

/* The library makes its connection the session's pointer (new_connection_prepare_() of its daemon.c, since 0.9.60). */
static int offer_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certs,
			     unsigned int *count, gnutls_ocsp_data_st **ocsp, unsigned int *ocsp_count,
			     gnutls_privkey_t *key, unsigned int *flags)
{
	const union MHD_ConnectionInfo *context =
		MHD_get_connection_info(gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct server *s = context ? context->socket_context : NULL;

	(void)info;
	*ocsp = NULL;
	*ocsp_count = 0;
	*flags = GNUTLS_CERT_RETR_DEINIT_ALL;
	return s ? tls_offer(s->tls, certs, count, key) : GNUTLS_E_INTERNAL_ERROR;
}

static struct MHD_Daemon *start_daemon(struct server *s, int listen_fd)
{
	static const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, offer_certificate },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_END, 0, NULL },
	};
	static const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (s->tls ? MHD_USE_TLS : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, listen_fd,
				MHD_OPTION_THREAD_POOL_SIZE, (unsigned int)THREADS, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned int)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SECONDS,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED,
				on_completed, s, MHD_OPTION_ARRAY, s->tls ? tls : plain, MHD_OPTION_END);
}

int server_start(struct web *web, int listen_fd, bool any_host, struct tls *tls, struct server **ret_server)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct server){ .web = web, .tls = tls, .any_host = any_host };
	s->daemon = start_daemon(s, listen_fd);
	if (!s->daemon) {
		free(s);
		return -EIO;
	}
	*ret_server = s;
	return 0;
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	/* The library must not be stopped while a connection is suspended; from here on none will be. */
	stream_close(web_stream(s->web));
	MHD_stop_daemon(s->daemon);
	free(s);
}
