/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server half: reads the store, analyses each tick, answers HTTP.  Started as root it binds its address, makes its
 * own directory, and becomes its own user before it reads a byte that others wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyze/alerting.h"
#include "analyze/analyzer.h"
#include "analyze/deliver.h"
#include "analyze/worker.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/privilege.h"
#include "cli/signals.h"
#include "web/audit.h"
#include "web/listen.h"
#include "web/server.h"
#include "web/tls.h"
#include "web/tokens.h"

#define ANALYZE_MS 200 /* how often to look for a tick that is due */
#define COMMIT_MS 50   /* so long after its time a tick usually stands in the store */
#define RETRY_MS 1000
#define FIRST_NS (10 * 60 * NSEC_PER_SEC)      /* of a store no server has seen */
#define RESUME_MAX_NS (60 * 60 * NSEC_PER_SEC) /* after a longer absence older ticks stay unanalysed */
#define OVERLAP_NS (3 * NSEC_PER_SEC)	       /* a tick is committed a little after its time */
#define NOTE_EVERY_NS (10 * NSEC_PER_SEC)
/* As systemd hands sockets over: LISTEN_FDS=1, LISTEN_PID=us, the socket is descriptor 3 (sd_listen_fds(3)). */
#define PASSED_FD 3

static int passed_socket(void)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

	if (!fds || !pid || strcmp(fds, "1") || strtol(pid, NULL, 10) != getpid())
		return -ENOENT;
	return fcntl(PASSED_FD, F_SETFD, FD_CLOEXEC) || fcntl(PASSED_FD, F_SETFL, O_NONBLOCK) ? -errno : PASSED_FD;
}

/* Descriptor or minus an exit code. */
static int open_socket(const struct cli *cli, struct web_listen *listen)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int fd = passed_socket();

	if (fd >= 0 && !web_listen_adopt(fd, cli_guard(cli), listen, &err))
		return fd;
	if (fd >= 0 || web_listen_parse(cli->listen, cli_guard(cli), listen, &err)) {
		log_error("%s", strbuf_str(&err));
		return -CLI_USAGE;
	}
	fd = web_listen_open(listen, &err);
	if (fd < 0) {
		log_error("%s", strbuf_str(&err));
		return -CLI_STORE;
	}
	return fd;
}

/* STATE/reports belongs to the server, STATE must let it through. */
static int make_directories(const char *state, const struct account *account)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int r = dir_make(state, 0755);

	strbuf_addf(&path, "%s/reports", state);
	if (!r)
		r = dir_make(strbuf_str(&path), 0750);
	if (r || !account)
		return r;
	fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	/* A private directory of root's, such as mktemp -d makes: let the server's group through, nobody else. */
	if (!(st.st_mode & S_IXOTH) &&
	    (fchown(fd, (uid_t)-1, account->gid) || fchmod(fd, (st.st_mode & 07777) | S_IRGRP | S_IXGRP)))
		return -errno;
	close(fd);
	fd = open(strbuf_str(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fchown(fd, account->uid, account->gid) ? -errno : 0;
}

/* What an earlier run as another user left in reports/ changes hands too. */
static void adopt_reports(const char *state, const struct account *account)
{
	static const char *const names[] = { "reports.db", "reports.db-wal", "reports.db-shm",
						"alerts.db",  "alerts.db-wal",	"alerts.db-shm" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO(strbuf) struct strbuf path = STRBUF_INIT;
		struct stat st;

		strbuf_addf(&path, "%s/reports/%s", state, names[i]);
		if (!lstat(strbuf_str(&path), &st) && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
		    st.st_uid != account->uid && lchown(strbuf_str(&path), account->uid, account->gid))
			log_warning("cannot take over %s: %s", strbuf_str(&path), strerror(errno));
	}
}

static int drop_privileges(const struct cli *cli)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct account account;
	int r;

	if (geteuid()) {
		r = make_directories(cli->state, NULL);
		if (r)
			log_error("cannot make %s/reports: %s", cli->state, strerror(-r));
		return r ? CLI_STORE : CLI_OK;
	}
	if (account_find(config_string(cli->config, "serve.user"), &account)) {
		log_error("neither the account \"%s\" nor \"nobody\" exists; set serve.user",
			  config_string(cli->config, "serve.user"));
		return CLI_HOST;
	}
	if (account.fallback)
		log_warning(
			"the account \"%s\" does not exist; the server runs as nobody (useradd --system %s makes it)",
			config_string(cli->config, "serve.user"), config_string(cli->config, "serve.user"));
	r = cli->bundle ? dir_give(cli->state, account.uid, account.gid) : make_directories(cli->state, &account);
	if (r) {
		log_error("cannot make %s/reports: %s", cli->state, strerror(-r));
		return CLI_STORE;
	}
	adopt_reports(cli->state, &account);
	if (privilege_become(&account, &err)) {
		log_error("%s", strbuf_str(&err));
		return CLI_HOST;
	}
	if (access(cli->state, X_OK)) {
		log_error("the user %s cannot reach %s (%s); name a directory it can enter with --state", account.name,
			  cli->state, strerror(errno));
		return CLI_STORE;
	}
	return CLI_OK;
}

/* ---- who may come in --------------------------------------------------------------------------------------- */

struct gate {
	struct tls *tls; /* read before privileges go: the key is root's; NULL: plain HTTP */
	struct tokens *tokens;
	struct audit *audit;
	struct strbuf hosts;
};

static void gate_cleanup(struct gate *g)
{
	tls_free(g->tls);
	tokens_free(g->tokens);
	audit_free(g->audit);
	strbuf_cleanup(&g->hosts);
}

static int gate_prepare(const struct cli *cli, const struct web_listen *listen, struct gate *g)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;

	strbuf_addf(&g->hosts, "%s %s", listen->host, config_string(cli->config, "serve.hosts"));
	if (listen->tls && tls_new(config_string(cli->config, "serve.tls_cert"),
				   config_string(cli->config, "serve.tls_key"), &g->tls, &err)) {
		log_error("%s", strbuf_str(&err));
		return CLI_USAGE;
	}
	g->tokens = tokens_new(config_string(cli->config, "serve.viewer_tokens"),
			       config_string(cli->config, "serve.operator_tokens"),
			       config_string(cli->config, "serve.admin_tokens"));
	g->audit = audit_new(cli->state);
	return g->tokens && g->audit ? CLI_OK : CLI_STORE;
}

static void gate_reload_tls(struct gate *g)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int r = g->tls ? tls_reload(g->tls, &err) : 0;

	if (r > 0)
		log_info("the certificate was replaced; new connections get the new one");
	else if (r < 0)
		log_warning("the certificate is not replaced by a changed one: %s", strbuf_str(&err));
}

/* What is wrong with a file that was named or changed; its tokens are not taken. */
static void gate_reload(struct gate *g)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;

	tokens_reload(g->tokens, &err);
	for (const char *line = strbuf_str(&err); *line; line += strcspn(line, "\n") + 1)
		log_warning("no token is taken from %.*s", (int)strcspn(line, "\n"), line);
	gate_reload_tls(g);
}

/* As the server's own user: it must be able to read the tokens, and go on reading them. */
static int gate_open(struct gate *g)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;

	gate_reload(g);
	if (g->tls && tls_may_reload(g->tls, &err))
		log_warning("a renewed certificate will count after a restart only, the server's user cannot read it: %s "
			    "(chgrp and chmod 640 let it)",
			    strbuf_str(&err));
	if (!tokens_wanted(g->tokens) || tokens_count(g->tokens))
		return CLI_OK;
	log_error("nobody could come in: there is no token that may be used");
	return CLI_USAGE;
}

static void say_report(void *ctx, const json_t *report)
{
	const char *headline = json_string_value(json_object_get(report, "headline"));
	const char *status = json_string_value(json_object_get(report, "status"));

	web_tell_report(ctx, report);
	log_debug("incident %s: %s", status ? status : "?", headline ? headline : "?");
}

static void progress_path(const struct cli *cli, struct strbuf *ret)
{
	strbuf_addf(ret, "%s/reports/analysed", cli->state);
}

/* Where an earlier server left off, so that a restart neither leaves a gap nor goes through the whole store again. */
static int64_t resume_from(const struct cli *cli)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	int64_t now = time_wall_ns(), from;

	progress_path(cli, &path);
	if (file_read_int(AT_FDCWD, strbuf_str(&path), &from) || from > now)
		return now - FIRST_NS;
	return MAX(from - OVERLAP_NS, now - RESUME_MAX_NS);
}

static void note_progress(const struct cli *cli, int64_t *noted_ns)
{
	AUTO(strbuf) struct strbuf path = STRBUF_INIT;
	int64_t now = time_wall_ns();
	char text[32];

	if (now - *noted_ns < NOTE_EVERY_NS)
		return;
	*noted_ns = now;
	progress_path(cli, &path);
	snprintf(text, sizeof(text), "%lld\n", (long long)now);
	if (file_write_atomic(strbuf_str(&path), text, strlen(text), 0640))
		log_debug("cannot note how far the analysis got");
}

/* What is wrong with rules of the site, which were left out. */
static void say_lines(const char *text)
{
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		log_warning("in the rules: %.*s", (int)len, text);
	}
}

static struct analyzer *start_analyzer(const struct cli *cli, struct web *web, bool *warned)
{
	const struct analyzer_options options = { .state_dir = cli->state,
						  .config = cli->config,
						  .from_ns = resume_from(cli) };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct analyzer *a = NULL;
	int r = analyzer_new(&options, &a, &err);

	if (r) {
		if (!*warned)
			log_warning("no analysis yet: %s", err.len ? strbuf_str(&err) : strerror(-r));
		*warned = true;
		return NULL;
	}
	say_lines(strbuf_str(&err));
	analyzer_on_report(a, say_report, web);
	*warned = false;
	malloc_trim(0); /* rules take more while they are checked than afterwards */
	return a;
}

/* Alert rules and their deliveries; without them the rest goes on. */
struct alarm {
	struct alerting *alerting;
	struct deliverer *deliverer;
	bool warned;
};

static void alarm_start(const struct cli *cli, const char *url, struct alarm *alarm)
{
	const char *given = config_string(cli->config, "alerts.url");
	const struct alerting_options options = { cli->state, *given ? given : url, cli->config };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int r = alerting_new(&options, &alarm->alerting, &err);

	if (!r)
		r = deliverer_start(cli->state, cli->config, &alarm->deliverer, &err);
	if (r)
		log_error("no alerts: %s", err.len ? strbuf_str(&err) : strerror(-r));
	else if (err.len)
		log_warning("left out of the alert rules:\n%s", strbuf_str(&err));
}

static void alarm_run(struct alarm *alarm)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int r = alarm->alerting ? alerting_run(alarm->alerting, time_wall_ns(), &err) : 0;

	if ((r < 0 || err.len) && !alarm->warned)
		log_warning("alerts: %s", err.len ? strbuf_str(&err) : strerror(-r));
	alarm->warned = r < 0 || err.len;
}

static void alarm_stop(struct alarm *alarm)
{
	deliverer_stop(alarm->deliverer);
	alerting_free(alarm->alerting);
}

/* After a tick: until the next one can be there. */
static int until_tick_ms(const struct cli *cli, const struct analyzer *a)
{
	int64_t tick_ms = config_ns(cli->config, "collect.tick") / NSEC_PER_MSEC;
	int64_t left_ms = tick_ms + COMMIT_MS - (time_wall_ns() - analyzer_newest(a)) / NSEC_PER_MSEC;

	return (int)MIN(MAX(left_ms, COMMIT_MS), tick_ms);
}

/* Until a signal asks to stop.  The store may appear late, vanish, and come back. */
static void serve_until_stopped(const struct cli *cli, struct web *web, struct alarm *alarm, struct gate *gate,
				int signals)
{
	struct analyzer *a = NULL;
	bool warned = false, failing = false;
	int64_t noted_ns = 0;
	int r, wait;

	/* A bundle is as it was: nothing comes that could be analysed. */
	while (cli->bundle && !signals_wait(signals, RETRY_MS)) {
		gate_reload(gate);
		web_tell_ticks(web, 0);
	}
	while (!cli->bundle) {
		if (a && analyzer_outdated(a)) {
			log_info("the site's rules changed; they are loaded again");
			analyzer_free(a);
			a = NULL;
		}
		if (!a)
			a = start_analyzer(cli, web, &warned);
		r = a ? analyzer_run(a) : 0;
		if (r < 0 && !failing && r != -ENOENT && r != -ENODATA)
			log_warning("analysis stopped: %s; trying again", strerror(-r));
		failing = r < 0;
		if (r > 0)
			note_progress(cli, &noted_ns);
		alarm_run(alarm);
		gate_reload(gate);
		web_tell_ticks(web, r);
		wait = !a || r < 0 ? RETRY_MS : r > 0 ? until_tick_ms(cli, a) : ANALYZE_MS;
		if (signals_wait(signals, wait))
			break;
	}
	analyzer_free(a);
}

int verb_serve(struct cli *cli)
{
	static const int ends[] = { SIGINT, SIGTERM, 0 };
	AUTO(strbuf) struct strbuf settings = STRBUF_INIT;
	AUTO_CLOSE int signals = signals_open(ends);
	AUTO(gate) struct gate gate = { 0 };
	struct web_listen listen;
	struct web_options options;
	struct alarm alarm = { 0 };
	struct server *server;
	pid_t parent = getppid();
	struct web *web;
	int fd, code;

	log_set_stage("serve");
	fd = open_socket(cli, &listen);
	if (fd < 0)
		return -fd;
	code = gate_prepare(cli, &listen, &gate);
	if (!code)
		code = drop_privileges(cli);
	if (!code)
		code = gate_open(&gate);
	if (!code && cli->supervised && privilege_die_with_parent(parent)) {
		log_error("the supervisor is gone");
		code = CLI_STORE;
	}
	if (code) {
		close(fd);
		return code;
	}
	config_dump(cli->config, &settings);
	options = (struct web_options){ .state_dir = cli->state,
					.host = strbuf_str(&gate.hosts),
					.listen = listen.url,
					.config = strbuf_str(&settings),
					.settings = cli->config,
					.sql_program = WORKER_SELF,
					.sql_time_ns = config_ns(cli->config, "query.time"),
					.sql_memory_bytes = config_bytes(cli->config, "query.memory"),
					.tls = listen.tls,
					.tokens = gate.tokens,
					.audit = gate.audit };
	web = web_new(&options);
	code = web ? server_start(web, fd, listen.any, gate.tls, &server) : -ENOMEM;
	if (code) {
		log_error("cannot serve on %s: %s", listen.url, strerror(-code));
		web_free(web);
		return CLI_STORE;
	}
	log_info("serving %s", listen.url);
	if (!cli->bundle)
		alarm_start(cli, listen.url, &alarm);
	serve_until_stopped(cli, web, &alarm, &gate, signals);
	alarm_stop(&alarm);
	server_stop(server);
	web_free(web);
	return CLI_OK;
}
