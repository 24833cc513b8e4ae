/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that ask a socket, against small servers that give recorded replies of Docker, Podman, CRI-O, containerd and
 * a kubelet (which Debian does not package), or none at all.  The real Docker, containerd and Podman are asked in
 * tests/containers/run.sh.
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aggregate/cri.h"
#include "aggregate/facts.h"
#include "aggregate/metadata.h"
#include "aggregate/pb.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

#define FIXTURES "tests/containers/fixtures/"
#define DOCKER_ID "b4117511e791e8654dee80a6e40ff20d6b754c6b1d80a82adf10a104befbb7b9"
#define PODMAN_ID "6612cfcbd81ee1fcac1ed2dd9cb90d544049898f34cc3bfa7ef173e81f7d2193"
#define PATIENCE_NS (60 * NSEC_PER_SEC) /* for what has to come; how long it took is not judged */
#define NGINX_ID "cefdba1130303f6a126f1a8a0f604ee012e0dfe47eeeadba94aab266a09828df"

/* One socket, one reply whatever is asked but events, which wait for send_event(); reply NULL: never answers. */
struct server {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock; /* everything below */
	int events;	      /* -1: nobody listens */
	char *body;
	size_t len;
	char asked[256]; /* the request line of the last question */
	int held[64];	 /* questions that are never answered */
	unsigned int count;
};

struct env {
	char root[64];
	struct config *config;
	struct metadata *m;
	struct server server;
	int64_t patience_ns;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void reply(struct server *s, int fd)
{
	char head[256];
	ssize_t n;
	int len;

	len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", s->len);
	send(fd, head, (size_t)len, MSG_NOSIGNAL);
	for (size_t sent = 0; sent < s->len && (n = send(fd, s->body + sent, s->len - sent, MSG_NOSIGNAL)) > 0;)
		sent += (size_t)n;
}

/* Under the lock.  True: the connection is kept. */
static bool answer(struct server *s, int fd, const char *text)
{
	if (strstr(text, "/events?")) {
		static const char begin[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

		if (s->body)
			send(fd, begin, sizeof(begin) - 1, MSG_NOSIGNAL);
		if (s->events >= 0)
			close(s->events);
		s->events = fd;
		return true;
	}
	snprintf(s->asked, sizeof(s->asked), "%.*s", (int)MIN(strcspn(text, "\r\n"), sizeof(s->asked) - 1), text);
	if (s->body)
		reply(s, fd);
	else if (s->count < ARRAY_SIZE(s->held))
		s->held[s->count++] = fd;
	return !s->body;
}

/* Once somebody listens. */
static void send_event(struct server *s, const char *line)
{
	char chunk[512];
	int len = snprintf(chunk, sizeof(chunk), "%zx\r\n%s\n\r\n", strlen(line) + 1, line);

	for (int i = 0; i < 5000; i++, usleep(1000)) {
		bool sent;

		pthread_mutex_lock(&s->lock);
		sent = s->events >= 0 && send(s->events, chunk, (size_t)len, MSG_NOSIGNAL) == len;
		pthread_mutex_unlock(&s->lock);
		if (sent)
			return;
	}
	fail_msg("nobody listens to events");
}

static void *serve(void *arg)
{
	struct server *s = arg;
	char text[4096];
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
		bool kept = false;

		if (n > 0) {
			text[n] = '\0';
			pthread_mutex_lock(&s->lock);
			kept = answer(s, fd, text);
			pthread_mutex_unlock(&s->lock);
		}
		if (!kept)
			close(fd);
	}
	return NULL;
}

/* How many questions are held so far; *ret_left: whoever asked the last one has gone. */
static unsigned int questions_held(struct server *s, bool *ret_left)
{
	struct pollfd p = { .fd = -1, .events = POLLRDHUP };
	unsigned int count;

	pthread_mutex_lock(&s->lock);
	count = s->count;
	if (count)
		p.fd = s->held[count - 1];
	*ret_left = poll(&p, 1, 0) > 0;
	pthread_mutex_unlock(&s->lock);
	return count;
}

static void server_start(struct server *s, int fd, const char *fixture)
{
	s->fd = fd;
	s->events = -1;
	s->body = NULL;
	pthread_mutex_init(&s->lock, NULL);
	if (fixture)
		assert_int_equal(file_read_alloc(AT_FDCWD, fixture, 1 << 20, &s->body, &s->len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void serve_unix(struct env *e, const char *path, const char *fixture)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char dir[PATH_MAX];

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%s", e->root, path);
	snprintf(dir, sizeof(dir), "%s", addr.sun_path);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(dir_make(dir, 0755), 0);
	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	server_start(&e->server, fd, fixture);
}

static void serve_tcp(struct env *e, const char *fixture)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);
	char url[64];

	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(fd, (void *)&addr, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(addr.sin_port));
	assert_int_equal(config_set(e->config, "metadata.kubelet", url, &error), 0);
	server_start(&e->server, fd, fixture);
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->server.fd = -1;
	e->patience_ns = PATIENCE_NS;
	snprintf(e->root, sizeof(e->root), "/tmp/kwhy-api-XXXXXX");
	assert_non_null(mkdtemp(e->root));
	e->config = config_new();
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	metadata_free(e->m);
	if (e->server.fd >= 0) {
		shutdown(e->server.fd, SHUT_RDWR);
		pthread_join(e->server.thread, NULL);
		close(e->server.fd);
		if (e->server.events >= 0)
			close(e->server.events);
		for (unsigned int i = 0; i < e->server.count; i++)
			close(e->server.held[i]);
		free(e->server.body);
	}
	config_free(e->config);
	nftw(e->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(e);
	return 0;
}

static bool has_value(const char *facts, const char *field, const char *value)
{
	AUTO_FREE char *text = facts_text(facts, field);

	return value ? text && !strcmp(text, value) : facts_have(facts, field);
}

/* Takes what is said of a container until that field is known; value: to be that. */
static void take_facts(struct env *e, const char *field, const char *value, char **facts)
{
	int64_t end_ns = time_boot_ns() + e->patience_ns;
	union record rec;

	while (time_boot_ns() < end_ns && !has_value(*facts, field, value)) {
		const struct kw_identity *p = (void *)(rec.bytes + sizeof(rec.event));

		if (!metadata_next(e->m, &rec))
			usleep(1000);
		else if (rec.event.kind == KW_KIND_identity)
			assert_true(facts_merge(facts, p->source, p->fields) >= 0);
	}
}

static char *facts_of(struct env *e, const char *path, const char *until)
{
	struct kw_cg cg = { .v2 = 77 };
	char *facts = NULL;

	assert_int_equal(metadata_new(e->config, e->root, &e->m), 0);
	metadata_ask(e->m, &cg, path, 0, 0, "");
	take_facts(e, until, NULL, &facts);
	return facts;
}

static void expect(const char *facts, const char *field, const char *value)
{
	AUTO_FREE char *text = facts_text(facts, field);

	if (!text)
		fail_msg("nobody said %s: %s", field, facts ? facts : "nothing");
	assert_string_equal(text, value);
}

static void docker_on_its_socket(void **state)
{
	struct env *e = *state;

	serve_unix(e, "/var/run/docker.sock", FIXTURES "docker/inspect.json");
	AUTO_FREE char *facts = facts_of(e, "/docker/" DOCKER_ID, "labels");

	expect(facts, "name", "demo");
	expect(facts, "image", "localhost/busybox:1");
	expect(facts, "runtime", "docker");
	assert_string_equal(e->server.asked, "GET /containers/" DOCKER_ID "/json HTTP/1.1");
}

static void put_file(const struct env *e, const char *path, const char *text)
{
	char full[PATH_MAX], *slash;

	snprintf(full, sizeof(full), "%s%s", e->root, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_int_equal(dir_make(full, 0755), 0);
	*slash = '/';
	assert_int_equal(file_write_atomic(full, text, strlen(text), 0644), 0);
}

/* systemd listens for a daemon that does not run: asking would start it. */
static void nothing_is_started_by_asking(void **state)
{
	static const char sockets[] =
		"Num       RefCount Protocol Flags    Type St Inode Path\n"
		"0000000000000000: 00000003 00000000 00000000 0001 03  4241 /run/docker.sock\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4242 /run/docker.sock\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01  4243 @abstract\n";
	struct env *e = *state;
	char *facts, full[PATH_MAX];

	serve_unix(e, "/var/run/docker.sock", FIXTURES "docker/inspect.json");
	put_file(e, "/proc/net/unix", sockets);
	snprintf(full, sizeof(full), "%s/proc/1/fd", e->root);
	assert_int_equal(dir_make(full, 0755), 0);
	snprintf(full, sizeof(full), "%s/proc/1/fd/7", e->root);
	assert_int_equal(symlink("socket:[4242]", full), 0);
	e->patience_ns = 300 * NSEC_PER_MSEC;
	facts = facts_of(e, "/docker/" DOCKER_ID, "labels");
	assert_null(facts);
	assert_string_equal(e->server.asked, "");
	metadata_free(e->m);
	put_file(e, "/proc/99/comm", "dockerd\n"); /* it runs */
	put_file(e, "/proc/99/cmdline", "dockerd");
	e->patience_ns = PATIENCE_NS;
	facts = facts_of(e, "/docker/" DOCKER_ID, "labels");
	expect(facts, "name", "demo");
	free(facts);
}

/* A new name is known at once, not when the container is asked about again after half a minute. */
static void docker_tells_of_news(void **state)
{
	struct env *e = *state;
	struct server *s = &e->server;

	serve_unix(e, "/var/run/docker.sock", FIXTURES "docker/inspect.json");
	AUTO_FREE char *facts = facts_of(e, "/docker/" DOCKER_ID, "labels");

	expect(facts, "name", "demo");
	pthread_mutex_lock(&s->lock);
	memcpy(strstr(s->body, "/demo"), "/dumm", 5);
	pthread_mutex_unlock(&s->lock);
	send_event(s, "no JSON");
	send_event(s, "{\"Type\":\"container\",\"Action\":\"rename\",\"Actor\":{\"ID\":\"of somebody else\"}}");
	send_event(s, "{\"Type\":\"container\",\"Action\":\"rename\",\"Actor\":{\"ID\":\"" DOCKER_ID "\"}}");
	take_facts(e, "name", "dumm", &facts);
	expect(facts, "name", "dumm");
}

static void podman_on_its_socket(void **state)
{
	struct env *e = *state;
	char path[PATH_MAX];
	AUTO_FREE char *list = NULL;
	size_t len;

	/* The recording is of "podman inspect", whose answer is a list of what the API answers. */
	assert_int_equal(file_read_alloc(AT_FDCWD, FIXTURES "podman/inspect.json", 1 << 20, &list, &len), 0);
	json_t *all = json_loadb(list, len, 0, NULL);
	AUTO_FREE char *one = json_dumps(json_is_array(all) ? json_array_get(all, 0) : all, JSON_COMPACT);

	json_decref(all);
	snprintf(path, sizeof(path), "%s/inspect.json", e->root);
	assert_int_equal(file_write_atomic(path, one, strlen(one), 0644), 0);
	serve_unix(e, "/run/podman/podman.sock", path);
	AUTO_FREE char *facts = facts_of(e, "/libpod_parent/libpod-" PODMAN_ID, "labels");

	expect(facts, "name", "pdemo");
	expect(facts, "runtime", "podman");
	expect(facts, "image", "localhost/busybox:1");
}

static void kubelet_on_its_read_only_port(void **state)
{
	struct env *e = *state;

	serve_tcp(e, FIXTURES "kubelet/pods.json");
	AUTO_FREE char *facts =
		facts_of(e, "/kubepods/burstable/podc2d6ef9a55a49faa3669cc900fea2f07/" NGINX_ID, "labels");

	expect(facts, "name", "nginx");
	expect(facts, "pod", "web-node1");
	expect(facts, "namespace", "shop");
	expect(facts, "qos", "burstable");
	assert_string_equal(e->server.asked, "GET /pods HTTP/1.1");
}

/* ---- a kubelet's authenticated port: TLS and a token ---------------------------------------------------------------- */

struct secure {
	struct MHD_Daemon *daemon;
	char *pods, *key, *certificate;
	size_t len;
};

/* As a kubelet does: 401 without the token it was started with. */
static enum MHD_Result answer_secure(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
				     const char *version, const char *upload,
				     size_t *upload_size, /* NOLINT(readability-non-const-parameter): MHD's */
				     void **request)
{
	const char *said = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
	bool allowed = said && !strcmp(said, "Bearer token-of-kwhy");
	struct secure *s = ctx;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)method, (void)version, (void)upload, (void)upload_size, (void)request;
	response = MHD_create_response_from_buffer(allowed ? s->len : 0, s->pods, MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, !allowed ? 401 : strcmp(url, "/pods") ? 404 : 200, response);
	MHD_destroy_response(response);
	return result;
}

static char *read_text(const struct env *e, const char *name)
{
	char path[PATH_MAX], *text;

	snprintf(path, sizeof(path), "%s/%s", e->root, name);
	assert_int_equal(file_read_alloc(AT_FDCWD, path, 1 << 16, &text, NULL), 0);
	return text;
}

static void set_path(const struct env *e, const char *setting, const char *name)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", e->root, name);
	assert_int_equal(config_set(e->config, setting, path, &error), 0);
}

/* False: there is no openssl to make a certificate with. */
static bool secure_start(struct env *e, struct secure *s, const char *token)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	char command[512], url[64], path[PATH_MAX];

	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=node"
		 " -addext subjectAltName=IP:127.0.0.1 -keyout %s/key.pem -out %s/cert.pem 2>%s/log",
		 e->root, e->root, e->root);
	if (system("command -v openssl >/dev/null") || system(command))
		return false;
	s->key = read_text(e, "key.pem");
	s->certificate = read_text(e, "cert.pem");
	assert_int_equal(file_read_alloc(AT_FDCWD, FIXTURES "kubelet/pods.json", 1 << 20, &s->pods, &s->len), 0);
	s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, answer_secure, s,
				     MHD_OPTION_HTTPS_MEM_KEY, s->key, MHD_OPTION_HTTPS_MEM_CERT, s->certificate,
				     MHD_OPTION_END);
	assert_non_null(s->daemon);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u",
		 MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	assert_int_equal(config_set(e->config, "metadata.kubelet", url, &error), 0);
	snprintf(path, sizeof(path), "%s/token", e->root);
	assert_int_equal(file_write_atomic(path, token, strlen(token), 0600), 0);
	set_path(e, "metadata.kubelet_token", "token");
	return true;
}

static void secure_stop(struct env *e, struct secure *s)
{
	metadata_free(e->m);
	e->m = NULL;
	MHD_stop_daemon(s->daemon);
	free(s->pods);
	free(s->key);
	free(s->certificate);
}

static const char nginx_path[] = "/kubepods/burstable/podc2d6ef9a55a49faa3669cc900fea2f07/" NGINX_ID;

/* What is said of nginx by a kubelet that was asked so; ca: NULL when none is named. */
static char *ask_securely(struct env *e, const char *token, const char *ca)
{
	struct secure s = { 0 };
	char *facts;

	if (!secure_start(e, &s, token))
		skip();
	if (ca)
		set_path(e, "metadata.kubelet_ca", ca);
	facts = facts_of(e, nginx_path, "labels");
	secure_stop(e, &s);
	return facts;
}

static void kubelet_on_its_authenticated_port(void **state)
{
	AUTO_FREE char *facts = ask_securely(*state, "token-of-kwhy\n", NULL);

	expect(facts, "pod", "web-node1");
	expect(facts, "namespace", "shop");
}

static void kubelet_with_a_certificate_that_is_known(void **state)
{
	AUTO_FREE char *facts = ask_securely(*state, "token-of-kwhy", "cert.pem");

	expect(facts, "pod", "web-node1");
}

/* Signed by nobody that was named: it is neither told the token nor believed. */
static void kubelet_that_nobody_vouches_for(void **state)
{
	struct env *e = *state;
	char command[512];

	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=other -keyout"
		 " %s/other.key -out %s/other.pem 2>%s/log",
		 e->root, e->root, e->root);
	if (system(command))
		skip();
	e->patience_ns = NSEC_PER_SEC;
	AUTO_FREE char *facts = ask_securely(e, "token-of-kwhy", "other.pem");

	assert_null(facts);
}

static void kubelet_that_refuses_the_token(void **state)
{
	struct env *e = *state;

	e->patience_ns = NSEC_PER_SEC;
	AUTO_FREE char *facts = ask_securely(e, "another token", NULL);

	assert_null(facts);
}

/* ---- hostile servers --------------------------------------------------------------------------------------------- */

#define OTHER_ID "00000000000000000000000000000000000000000000000000000000000000aa"

static void put_docker(const struct env *e, const char *id, const char *name)
{
	char path[PATH_MAX], text[512];

	snprintf(path, sizeof(path), "/var/lib/docker/containers/%s/config.v2.json", id);
	snprintf(text, sizeof(text), "{\"ID\":\"%s\",\"Name\":\"/%s\",\"Config\":{\"Labels\":{\"a\":\"b\"}}}", id, name);
	put_file(e, path, text);
}

/* Asks about a container, and once its socket has been asked in vain about another.  Whether that was still so then. */
static bool known_meanwhile(struct env *e)
{
	unsigned int before = e->server.count;
	int64_t end_ns = time_boot_ns() + e->patience_ns;
	AUTO_FREE char *facts = NULL;
	bool left;

	metadata_free(e->m);
	e->m = NULL;
	facts = facts_of(e, "/docker/" DOCKER_ID, "labels");
	expect(facts, "name", "demo");
	while (questions_held(&e->server, &left) == before && time_boot_ns() < end_ns)
		usleep(1000);
	metadata_ask(e->m, &(struct kw_cg){ .v2 = 78 }, "/docker/" OTHER_ID, 0, 0, "");
	take_facts(e, "name", "other", &facts);
	expect(facts, "name", "other");
	return questions_held(&e->server, &left) == before + 1 && !left;
}

/* What the source says of itself once it has failed. */
static void take_failure(struct env *e, const char *name, struct kw_source *ret)
{
	int64_t end_ns = time_boot_ns() + e->patience_ns;
	union record rec;

	while (time_boot_ns() < end_ns) {
		if (!metadata_next(e->m, &rec)) {
			usleep(5000);
			continue;
		}
		memcpy(ret, rec.bytes + sizeof(rec.event), sizeof(*ret));
		if (rec.event.kind == KW_KIND_source && !strcmp(ret->name, name) && ret->failed)
			return;
	}
	fail_msg("%s never said that it failed", name);
}

static void a_socket_that_never_answers_costs_only_itself(void **state)
{
	struct env *e = *state;
	struct kw_source books = { 0 };
	int64_t began = time_boot_ns();
	bool meanwhile = false;

	put_docker(e, DOCKER_ID, "demo"); /* the disk knows both */
	put_docker(e, OTHER_ID, "other");
	serve_unix(e, "/var/run/docker.sock", NULL);
	/* A machine that stops for as long as a question may take shows nothing: then once more. */
	for (int i = 0; i < 10 && !meanwhile; i++)
		meanwhile = known_meanwhile(e);
	assert_true(meanwhile);
	take_failure(e, "docker_api", &books);
	assert_non_null(strstr(books.why, "docker.sock"));
	/* It is left alone for longer each time: 1, 2, 4, 8 s. */
	assert_true(books.asked > 0);
	assert_true(time_boot_ns() - began >= ((1LL << MIN(books.asked, 5ULL)) / 2 - 1) * NSEC_PER_SEC);
}

static void nonsense_is_refused(void **state)
{
	struct env *e = *state;

	serve_unix(e, "/var/run/docker.sock", "Makefile");
	AUTO_FREE char *facts = NULL;

	e->server.len = MIN(e->server.len, (size_t)2000);
	e->patience_ns = NSEC_PER_SEC;
	facts = facts_of(e, "/docker/" DOCKER_ID, "name");
	assert_null(facts);
}

/* ---- gRPC messages ----------------------------------------------------------------------------------------------- */

/* A recorded reply without its frame. */
static char *load_reply(const char *fixture, size_t *ret_len)
{
	char *text;
	size_t len;

	assert_int_equal(file_read_alloc(AT_FDCWD, fixture, 1 << 20, &text, &len), 0);
	assert_true(len > 5 && !text[0]);
	*ret_len = len - 5;
	memmove(text, text + 5, len - 5);
	return text;
}

static void cri_lists(void **state)
{
	static const struct {
		const char *file, *id, *name, *pod, *space;
	} cases[] = {
		{ FIXTURES "containerd-cri/cri_list_containers.grpc",
		  "c336178bb19986284db1f31e64d2c7cb2838e93dda0b1f7522678d35fe704d6c", "nginx", "web-0", "shop" },
		{ FIXTURES "crio/cri_list_containers.grpc",
		  "b87c0973f745c2d2e6aa7b09457d4198cfbc9711d17c2750a8e70c5244e30b93", "nginx", "web-0", "shop" },
		{ FIXTURES "kubelet/cri_list_containers.grpc",
		  "44887ea771305a1739ca2d25c4454475146f3cb154190d287cdf7799dbfa9c81", "main", "besteffort-node1",
		  "default" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *found = json_object();
		char sandbox[128];
		size_t len;
		AUTO_FREE char *reply = load_reply(cases[i].file, &len);

		assert_int_equal(cri_container(reply, len, cases[i].id, found, sandbox), 1);
		assert_string_equal(metadata_text(found, "name"), cases[i].name);
		assert_string_equal(metadata_text(found, "pod"), cases[i].pod);
		assert_string_equal(metadata_text(found, "namespace"), cases[i].space);
		assert_int_equal(strlen(sandbox), 64);
		assert_int_equal(cri_container(reply, len, "0", found, sandbox), 0);
		/* Cut anywhere: an answer or a refusal, never a look beyond the end. */
		for (size_t cut = 0; cut < len; cut++) {
			AUTO_FREE char *part = malloc(cut + 1);

			memcpy(part, reply, cut);
			cri_container(part, cut, cases[i].id, found, sandbox);
		}
		json_decref(found);
	}
}

static void cri_sandboxes(void **state)
{
	json_t *found = json_object();
	size_t len;
	AUTO_FREE char *reply = load_reply(FIXTURES "containerd-cri/cri_list_sandboxes.grpc", &len);

	(void)state;
	assert_int_equal(cri_sandbox(reply, len, "e8d036b5143e1c0f07aa50e9d4511ce1e5b9d47e3818665979d709bb53dd9ef2",
				     found),
			 1);
	assert_string_equal(metadata_text(found, "role"), "sandbox");
	assert_string_equal(metadata_text(found, "pod"), "web-0");
	assert_string_equal(metadata_text(json_object_get(found, "labels"), "app"), "demo");
	assert_string_equal(metadata_text(json_object_get(found, "annotations"), "team"), "obs");
	json_decref(found);
}

static void protobuf_both_ways(void **state)
{
	static const unsigned char bad[][12] = {
		{ 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, /* longer than there is */
		{ 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80 },
		{ 0x0b },	     /* a group */
		{ 0x09, 1, 2, 3 },   /* eight bytes, cut */
	};
	AUTO(strbuf) struct strbuf inner = STRBUF_INIT, outer = STRBUF_INIT;
	char text[8];
	struct pb p;

	(void)state;
	pb_put_text(&inner, 1, "hello world");
	pb_put_message(&outer, 300, &inner);
	p = pb_message(pb_over(strbuf_str(&outer), outer.len), 300);
	pb_copy_text(p, 1, text, sizeof(text));
	assert_string_equal(text, "hello w");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pb_field f;

		p = pb_over(bad[i], i == 2 ? 1 : i == 3 ? 4 : sizeof(bad[i]));
		assert_false(pb_next(&p, &f));
		assert_true(p.bad);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(docker_on_its_socket),
		TEST(nothing_is_started_by_asking),
		TEST(docker_tells_of_news),
		TEST(podman_on_its_socket),
		TEST(kubelet_on_its_read_only_port),
		TEST(kubelet_on_its_authenticated_port),
		TEST(kubelet_with_a_certificate_that_is_known),
		TEST(kubelet_that_nobody_vouches_for),
		TEST(kubelet_that_refuses_the_token),
		TEST(a_socket_that_never_answers_costs_only_itself),
		TEST(nonsense_is_refused),
		cmocka_unit_test(cri_lists),
		cmocka_unit_test(cri_sandboxes),
		cmocka_unit_test(protobuf_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
