/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/deliver.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileutil.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/timeutil.h"

#define POLL_MS 500
#define TIMEOUT_S 10
#define EXEC_SECONDS 30
#define BACK_OFF_MAX_NS (300 * NSEC_PER_SEC)
#define SECRET_MAX 4096
#define ERROR_MAX 256

/* Hands one body over.  0; -EAGAIN try again; -EBADMSG the receiver will never take it.  why: for people. */
typedef int (*deliver_fn)(const struct config *config, const char *target, const char *body, char why[ERROR_MAX]);

struct receiver {
	const char *name, *setting;
	bool list; /* takes a list of alerts, not a message around it */
	deliver_fn deliver;
};

/* ---- HTTP ------------------------------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type */
static size_t ignore_reply(char *data, size_t size, size_t count, void *ctx)
{
	(void)data;
	(void)ctx;
	return size * count;
}

/* 408 and 429 ask for another try (RFC 9110, RFC 6585); any other 4xx will not change its mind. */
static int judge(CURLcode code, long status, char why[ERROR_MAX])
{
	if (code != CURLE_OK) {
		snprintf(why, ERROR_MAX, "%s", curl_easy_strerror(code));
		return -EAGAIN;
	}
	if (status >= 200 && status < 300)
		return 0;
	snprintf(why, ERROR_MAX, "HTTP %ld", status);
	return status >= 400 && status < 500 && status != 408 && status != 429 ? -EBADMSG : -EAGAIN;
}

static int post(const char *url, const char *body, struct curl_slist *headers, char why[ERROR_MAX])
{
	CURL *curl = curl_easy_init();
	long status = 0;
	CURLcode code;

	if (!curl)
		return -EAGAIN;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_reply);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "kwhy/" KWHY_VERSION);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	return judge(code, status, why);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(list, line);

	return longer ? longer : list;
}

static int to_alertmanager(const struct config *config, const char *target, const char *body, char why[ERROR_MAX])
{
	struct curl_slist *headers = add_header(NULL, "Content-Type: application/json");
	AUTO(strbuf) struct strbuf url = STRBUF_INIT;
	size_t len = strlen(target);
	int r;

	(void)config;
	while (len && target[len - 1] == '/')
		len--;
	strbuf_addf(&url, "%.*s/api/v2/alerts", (int)len, target);
	r = post(strbuf_str(&url), body, headers, why);
	curl_slist_free_all(headers);
	return r;
}

/* The file's text without the newline that editors leave. */
static int sign(const struct config *config, const char *body, struct strbuf *header, char why[ERROR_MAX])
{
	const char *path = config_string(config, "alerts.webhook_secret_file");
	AUTO_FREE char *secret = NULL;
	char hex[65];
	size_t len;
	int r;

	if (!*path)
		return 0;
	r = file_read_alloc(AT_FDCWD, path, SECRET_MAX, &secret, &len);
	if (r) {
		snprintf(why, ERROR_MAX, "%.200s: %s", path, strerror(-r));
		return -EAGAIN;
	}
	while (len && (secret[len - 1] == '\n' || secret[len - 1] == '\r'))
		len--;
	hmac_sha256_hex(secret, len, body, strlen(body), hex);
	strbuf_addf(header, "X-Kwhy-Signature: sha256=%s", hex);
	return 0;
}

static int to_webhook(const struct config *config, const char *target, const char *body, char why[ERROR_MAX])
{
	struct curl_slist *headers = add_header(NULL, "Content-Type: application/json");
	AUTO(strbuf) struct strbuf signature = STRBUF_INIT;
	int r = sign(config, body, &signature, why);

	if (signature.len)
		headers = add_header(headers, strbuf_str(&signature));
	if (!r)
		r = post(target, body, headers, why);
	curl_slist_free_all(headers);
	return r;
}

/* ---- files, journal, programs ----------------------------------------------------------------------------- */

static int to_file(const struct config *config, const char *target, const char *body, char why[ERROR_MAX])
{
	AUTO_CLOSE int fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	AUTO(strbuf) struct strbuf line = STRBUF_INIT;

	(void)config;
	strbuf_addf(&line, "%s\n", body);
	if (fd >= 0 && write(fd, strbuf_str(&line), line.len) == (ssize_t)line.len && !fdatasync(fd))
		return 0;
	snprintf(why, ERROR_MAX, "%.200s: %s", target, strerror(errno));
	return -EAGAIN;
}

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL/; JSON has no newline in it. */
static int to_journal(const struct config *config, const char *target, const char *body, char why[ERROR_MAX])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	AUTO(strbuf) struct strbuf entry = STRBUF_INIT;
	json_t *message = json_loads(body, 0, NULL), *annotations = json_object_get(message, "commonAnnotations");
	const char *status = json_string_value(json_object_get(message, "status"));
	const char *summary = json_string_value(json_object_get(annotations, "summary"));
	bool firing = status && !strcmp(status, "firing");

	(void)config;
	(void)target;
	strbuf_addf(&entry, "SYSLOG_IDENTIFIER=kwhy\nPRIORITY=%d\nMESSAGE=%s: %s\nKWHY_ALERT=%s\n", firing ? 4 : 6,
		    status ? status : "alert", summary ? summary : "kwhy alerts changed", body);
	json_decref(message);
	if (fd >= 0 && sendto(fd, strbuf_str(&entry), entry.len, MSG_NOSIGNAL, (struct sockaddr *)&address,
			      sizeof(address)) == (ssize_t)entry.len)
		return 0;
	snprintf(why, ERROR_MAX, "the journal: %s", strerror(errno));
	return errno == EMSGSIZE ? -EBADMSG : -EAGAIN;
}

/* Waits for a child, at most EXEC_SECONDS; then it is killed. */
static int await(pid_t pid)
{
	int status = 0;

	for (int i = 0; i < EXEC_SECONDS * 20; i++) {
		const struct timespec pause = { .tv_nsec = 50 * NSEC_PER_MSEC };

		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

static int to_exec(const struct config *config, const char *target, const char *body, char why[ERROR_MAX])
{
	AUTO_CLOSE int input = memfd_create("alert", MFD_CLOEXEC);
	char *const argv[] = { (char *)target, NULL }, *const env[] = { "PATH=/usr/bin:/bin", NULL };
	posix_spawn_file_actions_t actions;
	int status, r;
	pid_t pid;

	(void)config;
	if (input < 0 || write(input, body, strlen(body)) != (ssize_t)strlen(body) || lseek(input, 0, SEEK_SET))
		return -EAGAIN;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(&pid, target, &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	if (r) {
		snprintf(why, ERROR_MAX, "%.200s: %s", target, strerror(r));
		return -EAGAIN;
	}
	status = await(pid);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	snprintf(why, ERROR_MAX, "%.200s ended with %s %d", target, WIFEXITED(status) ? "status" : "signal",
		 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return -EAGAIN;
}

static const struct receiver receivers[] = {
	{ "alertmanager", "alerts.alertmanager", true, to_alertmanager },
	{ "webhook", "alerts.webhook", false, to_webhook },
	{ "file", "alerts.file", false, to_file },
	{ "journal", "alerts.journal", false, to_journal },
	{ "exec", "alerts.exec", false, to_exec },
};

/* "" when it is off. */
static const char *target_of(const struct config *config, const struct receiver *r)
{
	if (!strcmp(r->setting, "alerts.journal"))
		return config_bool(config, r->setting) ? "journal" : "";
	return config_string(config, r->setting);
}

/* ---- into the outbox -------------------------------------------------------------------------------------- */

/* What all of them have in common. */
static json_t *common(const json_t *alerts, const char *key)
{
	json_t *all = json_deep_copy(json_object_get(json_array_get(alerts, 0), key));
	const json_t *alert;
	size_t i;

	json_array_foreach (alerts, i, alert) {
		const json_t *own = json_object_get(alert, key);
		const char *name;
		json_t *value;
		void *next;

		json_object_foreach_safe (all, next, name, value)
			if (!json_equal(value, json_object_get(own, name)))
				json_object_del(all, name);
	}
	return all;
}

static bool any_firing(const json_t *alerts)
{
	const json_t *alert;
	size_t i;

	json_array_foreach (alerts, i, alert)
		if (!strcmp(json_string_value(json_object_get(alert, "status")), "firing"))
			return true;
	return false;
}

/* https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
static json_t *message(const char *url, const char *group, const json_t *alerts)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:{s:s}, s:o, s:o, s:s, s:O}", "version", "4", "groupKey", group,
			 "truncatedAlerts", 0, "status", any_firing(alerts) ? "firing" : "resolved", "receiver", "kwhy",
			 "groupLabels", "group", group, "commonLabels", common(alerts, "labels"), "commonAnnotations",
			 common(alerts, "annotations"), "externalURL", url, "alerts", alerts);
}

static int send_json(struct alertstore *store, const struct receiver *r, const json_t *body, int64_t now_ns)
{
	char *text = json_dumps(body, JSON_COMPACT);
	int e = text ? alertstore_send(store, r->name, text, now_ns) : -ENOMEM;

	free(text);
	return e;
}

int deliver_enqueue(const struct config *config, struct alertstore *store, const char *url, const char *group,
		    const json_t *alerts, int64_t now_ns)
{
	json_t *whole = message(url, group, alerts);
	int r = whole ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < ARRAY_SIZE(receivers); i++)
		if (*target_of(config, &receivers[i]))
			r = send_json(store, &receivers[i], receivers[i].list ? alerts : whole, now_ns);
	json_decref(whole);
	return r;
}

int deliver_again(const struct config *config, struct alertstore *store, const json_t *alerts, int64_t now_ns)
{
	const struct receiver *r = &receivers[0];
	char *body = NULL;
	int64_t id;
	int tries;

	if (!*target_of(config, r))
		return 0;
	if (alertstore_due(store, r->name, INT64_MAX, &id, &tries, &body) != -ENOENT) {
		free(body);
		return 0;
	}
	return send_json(store, r, alerts, now_ns);
}

/* ---- out of it -------------------------------------------------------------------------------------------- */

struct deliverer {
	const struct config *config;
	struct alertstore *store;
	pthread_t thread;
	int stop; /* eventfd */
};

static int64_t back_off_ns(int tries)
{
	int64_t wait = NSEC_PER_SEC << MIN(tries, 9);

	return MIN(wait, BACK_OFF_MAX_NS);
}

/* The oldest of one receiver.  True when another may follow at once. */
static bool deliver_one(struct deliverer *d, const struct receiver *r)
{
	const char *target = target_of(d->config, r);
	int64_t now = time_wall_ns(), id;
	char why[ERROR_MAX] = "";
	AUTO_FREE char *body = NULL;
	int tries, e;

	if (!*target || alertstore_due(d->store, r->name, now, &id, &tries, &body))
		return false;
	e = r->deliver(d->config, target, body, why);
	if (e == -EAGAIN) {
		if (!tries)
			log_warning("alerts for %s wait: %s; they are tried again", r->name, why);
		alertstore_failed(d->store, id, time_wall_ns() + back_off_ns(tries), why);
		return false;
	}
	if (e)
		log_error("%s refuses an alert for good: %s", r->name, why);
	return !alertstore_sent(d->store, id);
}

static bool any_target(const struct config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(receivers); i++)
		if (*target_of(config, &receivers[i]))
			return true;
	return false;
}

static void *deliver_all(void *ctx)
{
	struct deliverer *d = ctx;
	struct pollfd stop = { .fd = d->stop, .events = POLLIN };

	while (poll(&stop, 1, any_target(d->config) ? POLL_MS : -1) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(receivers); i++)
			while (deliver_one(d, &receivers[i]) && poll(&stop, 1, 0) == 0)
				;
	return NULL;
}

int deliverer_start(const char *state_dir, const struct config *config, struct deliverer **ret_deliverer,
		    struct strbuf *ret_error)
{
	struct deliverer *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->config = config;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	d->stop = eventfd(0, EFD_CLOEXEC);
	r = d->stop < 0 ? -errno : alertstore_open(state_dir, true, &d->store, ret_error);
	if (!r)
		r = -pthread_create(&d->thread, NULL, deliver_all, d);
	if (r) {
		alertstore_free(d->store);
		if (d->stop >= 0)
			close(d->stop);
		free(d);
		return r;
	}
	*ret_deliverer = d;
	return 0;
}

void deliverer_stop(struct deliverer *d)
{
	if (!d)
		return;
	eventfd_write(d->stop, 1);
	pthread_join(d->thread, NULL);
	alertstore_free(d->store);
	close(d->stop);
	free(d);
}
