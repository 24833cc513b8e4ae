/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/confine.h"
#include "cli/privilege.h"
#include "cli/term.h"
#include "collect/collect.h"
#include "web/listen.h"

#define CHECKS_MAX 64
#define FREE_MIN ((uint64_t)1 << 30)

struct checks {
	struct doctor_check list[CHECKS_MAX];
	unsigned int count;
};

static struct doctor_check *add(struct checks *c, int result, const char *name)
{
	struct doctor_check *check;

	if (c->count == CHECKS_MAX)
		c->count--;
	check = &c->list[c->count++];
	*check = (struct doctor_check){ .result = (unsigned int)result };
	snprintf(check->name, sizeof(check->name), "%s", name);
	return check;
}

static void check_state(struct checks *c, const char *state)
{
	AUTO_FREE char *parent = strdup(state);
	struct doctor_check *check = add(c, DOCTOR_PASS, "state directory");
	struct statvfs fs;

	if (!access(state, F_OK)) {
		snprintf(check->text, sizeof(check->text), "%.200s can be written", state);
		if (access(state, W_OK | X_OK)) {
			check->result = DOCTOR_FAIL;
			snprintf(check->text, sizeof(check->text), "%.180s cannot be written: %s", state,
				 strerror(errno));
			snprintf(check->fix, sizeof(check->fix),
				 "run as root, or name a directory of yours with --state");
			return;
		}
	} else {
		/* It will be made: the nearest directory that exists must allow it. */
		for (char *slash; parent && access(parent, F_OK) && (slash = strrchr(parent, '/'));)
			slash == parent ? (slash[1] = 0) : (*slash = 0);
		snprintf(check->text, sizeof(check->text), "%.200s does not exist yet and can be made", state);
		if (!parent || access(*parent ? parent : ".", W_OK | X_OK)) {
			check->result = DOCTOR_FAIL;
			snprintf(check->text, sizeof(check->text), "%.200s does not exist and cannot be made", state);
			snprintf(check->fix, sizeof(check->fix),
				 "run as root, or name a directory of yours with --state");
			return;
		}
		state = parent;
	}
	if (statvfs(state, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize >= FREE_MIN)
		return;
	check = add(c, DOCTOR_WARN, "free space");
	snprintf(check->text, sizeof(check->text), "less than 1 GiB is free for the store");
	snprintf(check->fix, sizeof(check->fix), "free space, or lower store.max_size");
}

static void check_listen(struct checks *c, const char *text, unsigned int guard)
{
	struct doctor_check *check = add(c, DOCTOR_PASS, "listen address");
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	AUTO_CLOSE int fd = -1;
	struct web_listen listen;
	int r = web_listen_parse(text, guard, &listen, &err);

	if (!r && listen.addr.ss_family == AF_UNIX) {
		snprintf(check->text, sizeof(check->text), "%s", listen.url);
		return;
	}
	if (!r) {
		fd = web_listen_open(&listen, &err);
		r = fd;
	}
	if (r >= 0) {
		snprintf(check->text, sizeof(check->text), "%s is free", listen.url);
		return;
	}
	/* In use is how it looks while kwhy runs. */
	check->result = r == -EADDRINUSE ? DOCTOR_WARN : DOCTOR_FAIL;
	snprintf(check->text, sizeof(check->text), "%.255s", strbuf_str(&err));
	snprintf(check->fix, sizeof(check->fix), "%s",
		 r == -EADDRINUSE ? "fine when kwhy runs already; else choose another with --listen"
				  : "choose another with --listen");
}

static void check_account(struct checks *c, const char *name)
{
	struct doctor_check *check = add(c, DOCTOR_PASS, "server account");
	struct account account;

	if (geteuid()) {
		snprintf(check->text, sizeof(check->text), "not root: the server runs as you");
		return;
	}
	if (!account_find(name, &account) && !account.fallback) {
		snprintf(check->text, sizeof(check->text), "the server runs as %.60s", name);
		return;
	}
	check->result = DOCTOR_WARN;
	snprintf(check->text, sizeof(check->text), "the account %.60s does not exist; the server runs as nobody", name);
	snprintf(check->fix, sizeof(check->fix), "useradd --system --no-create-home --shell /usr/sbin/nologin %.60s",
		 name);
}

/* Tried and undone at once. */
static void check_confine(struct checks *c, const struct config *config)
{
	struct doctor_check *check = add(c, DOCTOR_PASS, "own limits");
	AUTO(strbuf) struct strbuf said = STRBUF_INIT;
	struct confine *confine = NULL;

	if (confine_enter(config, &confine, &said) <= 0) {
		check->result = DOCTOR_WARN;
		snprintf(check->fix, sizeof(check->fix),
			 "start it as a service of its own (CPUQuota, MemoryMax), or as root where cgroups can be made");
	}
	snprintf(check->text, sizeof(check->text), "%.255s", strbuf_str(&said));
	confine_leave(confine);
}

static const char *const words[] = { [DOCTOR_PASS] = "PASS", [DOCTOR_WARN] = "WARN", [DOCTOR_FAIL] = "FAIL" };

static void print_text(const struct checks *c)
{
	static const char *const colours[] = {
		[DOCTOR_PASS] = "\033[32m", [DOCTOR_WARN] = "\033[33m", [DOCTOR_FAIL] = "\033[31m"
	};
	bool colour = term_colour();

	for (unsigned int i = 0; i < c->count; i++) {
		const struct doctor_check *check = &c->list[i];
		AUTO(strbuf) struct strbuf line = STRBUF_INIT;

		strbuf_addf(&line, "%s%s%s  ", colour ? colours[check->result] : "", words[check->result],
			    colour ? "\033[0m" : "");
		strbuf_addf(&line, "%-22s ", check->name);
		strbuf_add_plain(&line, check->text);
		if (check->fix[0]) {
			strbuf_addf(&line, "\n%29s→ ", "");
			strbuf_add_plain(&line, check->fix);
		}
		strbuf_addch(&line, '\n');
		term_print(strbuf_str(&line));
	}
}

static void print_json(const struct checks *c)
{
	for (unsigned int i = 0; i < c->count; i++) {
		const struct doctor_check *check = &c->list[i];
		json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "name", check->name, "result", words[check->result],
					 "text", check->text, "fix", check->fix);

		term_json(line);
		json_decref(line);
	}
}

int verb_doctor(struct cli *cli)
{
	struct checks c = { 0 };
	unsigned int i;

	c.count = collect_doctor(c.list, CHECKS_MAX - 8);
	check_state(&c, cli->state);
	check_listen(&c, cli->listen, cli_guard(cli));
	check_confine(&c, cli->config);
	check_account(&c, config_string(cli->config, "serve.user"));
	if (cli->json)
		print_json(&c);
	else
		print_text(&c);
	for (i = 0; i < c.count; i++)
		if (c.list[i].result == DOCTOR_FAIL)
			return CLI_FINDING;
	return CLI_OK;
}
