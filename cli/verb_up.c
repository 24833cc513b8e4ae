/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor of the two halves, in the foreground.  It holds the listening socket, so that a server that died is
 * replaced without a refused connection, and a port in use is said at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/confine.h"
#include "cli/probe_ready.h"
#include "cli/signals.h"
#include "web/listen.h"
#include "web/rows.h"

#define ARGV_MAX 128
#define READY_POLL_MS 100 /* at least; what a look takes ten times over where that is more */
#define READY_POLL_MAX_MS 2000
#define BACKOFF_MAX_S 30
#define STABLE_NS (60 * NSEC_PER_SEC) /* a half that ran this long starts over with the shortest back-off */
#define STOP_NS (10 * NSEC_PER_SEC)   /* then it is killed */

enum half { SERVE, COLLECT, HALVES };

struct child {
	const char *verb;
	pid_t pid;			/* 0: not running */
	int64_t started_ns, restart_ns; /* boot time; restart_ns 0: none due */
	int backoff_s;
};

struct up {
	const struct cli *cli;
	struct web_listen listen;
	int listen_fd, signals;
	struct child children[HALVES];
	bool ready; /* was, once */
	int poll_ms; /* until then: pause before the next look */
};

static void exec_half(const struct up *u, const struct child *child)
{
	const char *argv[ARGV_MAX] = { "kwhy", child->verb, "--supervised", "--state", u->cli->state };
	const struct strbuf *more = &u->cli->config_args;
	char pid[16];
	size_t n = 5;

	for (size_t at = 0; at < more->len && n < ARGV_MAX - 1; at += strlen(more->data + at) + 1)
		argv[n++] = more->data + at;
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (child == &u->children[SERVE]) {
		if (u->listen_fd == 3 ? fcntl(3, F_SETFD, 0) : dup2(u->listen_fd, 3) < 0)
			_exit(CLI_STORE);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_PID", pid, 1);
	}
	signals_unblock();
	execv("/proc/self/exe", (char *const *)argv);
	_exit(CLI_STORE);
}

static int start_half(struct up *u, struct child *child)
{
	pid_t pid = fork();

	if (pid < 0) {
		log_error("cannot start %s: %s", child->verb, strerror(errno));
		return -errno;
	}
	if (!pid)
		exec_half(u, child);
	child->pid = pid;
	child->started_ns = time_boot_ns();
	child->restart_ns = 0;
	/* The collector leaves its siblings out; it learns of a new one this way. */
	if (child == &u->children[SERVE] && u->children[COLLECT].pid && u->ready)
		kill(u->children[COLLECT].pid, SIGHUP);
	return 0;
}

static void describe_end(int status, struct strbuf *out)
{
	if (WIFSIGNALED(status))
		strbuf_addf(out, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		strbuf_addf(out, "exit code %d", WEXITSTATUS(status));
}

/* A half that refuses to start will not do better the next time: its exit code is ours. */
static bool is_refusal(const struct up *u, int status)
{
	return !u->ready && WIFEXITED(status) &&
	       (WEXITSTATUS(status) == CLI_USAGE || WEXITSTATUS(status) == CLI_HOST ||
		WEXITSTATUS(status) == CLI_STORE);
}

static void plan_restart(struct child *child, int status)
{
	AUTO(strbuf) struct strbuf how = STRBUF_INIT;
	int64_t now = time_boot_ns();

	if (now - child->started_ns > STABLE_NS || !child->backoff_s)
		child->backoff_s = 1;
	else
		child->backoff_s = MIN(child->backoff_s * 2, BACKOFF_MAX_S);
	child->restart_ns = now + child->backoff_s * NSEC_PER_SEC;
	describe_end(status, &how);
	log_warning("%s died: %s; starting it again in %d s", child->verb, strbuf_str(&how), child->backoff_s);
}

/* Takes the ended children in.  An exit code when up must end, else -1. */
static int reap(struct up *u)
{
	int status, code = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < HALVES; i++) {
			struct child *child = &u->children[i];

			if (child->pid != pid)
				continue;
			child->pid = 0;
			if (is_refusal(u, status))
				code = WEXITSTATUS(status);
			else
				plan_restart(child, status);
		}
	return code;
}

static void restart_due(struct up *u)
{
	for (int i = 0; i < HALVES; i++) {
		struct child *child = &u->children[i];

		if (!child->pid && child->restart_ns && time_boot_ns() >= child->restart_ns) {
			log_info("starting %s again", child->verb);
			if (start_half(u, child))
				child->restart_ns = time_boot_ns() + BACKOFF_MAX_S * NSEC_PER_SEC;
		}
	}
}

/* One line per reason: without BPF a dozen probes share one. */
static void say_missing(const json_t *missing)
{
	json_t *item, *other;
	size_t i, j;

	json_array_foreach ((json_t *)missing, i, item) {
		AUTO(strbuf) struct strbuf names = STRBUF_INIT;
		const char *why = value_text(item, "why");
		bool said = false;

		json_array_foreach ((json_t *)missing, j, other) {
			if (strcmp(value_text(other, "why"), why))
				continue;
			said = said || j < i;
			strbuf_addf(&names, "%s%s", names.len ? ", " : "", value_text(other, "name"));
		}
		if (!said)
			log_warning("missing: %s (%s): %s", strbuf_str(&names), value_text(item, "what"), why);
	}
	if (json_array_size(missing))
		log_info("kwhy doctor says what can be done about it");
}

static void say_ready(struct up *u, const json_t *answer)
{
	u->ready = true;
	printf("kwhy is ready: %s\n", u->listen.url);
	fflush(stdout);
	say_missing(json_object_get(answer, "missing"));
}

/* On a slow host a look is dear for the server too: the halves are to have the CPU while they start. */
static void check_ready(struct up *u)
{
	int64_t began_ns = time_boot_ns();
	json_t *answer = probe_ready(&u->listen);
	int64_t took_ms = (time_boot_ns() - began_ns) / NSEC_PER_MSEC;

	u->poll_ms = (int)MIN(MAX(10 * took_ms, READY_POLL_MS), READY_POLL_MAX_MS);
	if (json_is_true(json_object_get(answer, "ready")))
		say_ready(u, answer);
	json_decref(answer);
}

/* Until a signal (0) or a refusal (its code). */
static int supervise(struct up *u)
{
	int code, signal, wait;

	for (;;) {
		bool due = u->children[SERVE].restart_ns || u->children[COLLECT].restart_ns;

		wait = !u->ready ? u->poll_ms : due ? 200 : -1;
		signal = signals_wait(u->signals, wait);
		if (signal == SIGINT || signal == SIGTERM)
			return CLI_OK;
		code = reap(u);
		if (code >= 0)
			return code;
		restart_due(u);
		if (!u->ready && !signal)
			check_ready(u);
	}
}

/* The collector first: what it committed last is then served to the end. */
static void stop_half(const struct up *u, struct child *child)
{
	int64_t deadline = time_boot_ns() + STOP_NS;

	if (!child->pid)
		return;
	kill(child->pid, SIGTERM);
	while (waitpid(child->pid, NULL, WNOHANG) != child->pid) {
		if (time_boot_ns() > deadline) {
			log_warning("%s does not stop; killing it", child->verb);
			kill(child->pid, SIGKILL);
			waitpid(child->pid, NULL, 0);
			break;
		}
		signals_wait(u->signals, 50);
	}
	child->pid = 0;
}

static int open_listen(struct up *u)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int fd;

	if (web_listen_parse(u->cli->listen, cli_guard(u->cli), &u->listen, &err)) {
		log_error("%s", strbuf_str(&err));
		return CLI_USAGE;
	}
	fd = web_listen_open(&u->listen, &err);
	if (fd < 0) {
		log_error("%s", strbuf_str(&err));
		return CLI_STORE;
	}
	u->listen_fd = fd;
	return CLI_OK;
}

int verb_up(struct cli *cli)
{
	static const int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD, 0 };
	struct up u = {
		.cli = cli,
		.listen_fd = -1,
		.poll_ms = READY_POLL_MS,
		.signals = signals_open(wanted),
		.children = { [SERVE] = { .verb = "serve" }, [COLLECT] = { .verb = "collect" } },
	};
	struct confine *confine;
	int code = open_listen(&u), r;

	if (code)
		return code;
	confine = confine_self(cli->config);
	r = dir_make(cli->state, 0755);
	if (r) {
		log_error("cannot make %s: %s", cli->state, strerror(-r));
		code = CLI_STORE;
	}
	for (int i = 0; !code && i < HALVES; i++)
		if (start_half(&u, &u.children[i]))
			code = CLI_HOST;
	if (!code)
		code = supervise(&u);
	stop_half(&u, &u.children[COLLECT]);
	stop_half(&u, &u.children[SERVE]);
	confine_leave(confine);
	close(u.listen_fd);
	if (u.listen.addr.ss_family == AF_UNIX)
		unlink(((struct sockaddr_un *)&u.listen.addr)->sun_path);
	return code;
}
