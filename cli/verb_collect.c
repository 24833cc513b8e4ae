/* SPDX-License-Identifier: Apache-2.0 */
/* The privileged half: kernel to store.  No network; keeps only the capabilities it watches with. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "aggregate/capture.h"
#include "aggregate/metadata.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/confine.h"
#include "cli/privilege.h"
#include "cli/signals.h"
#include "cli/switch.h"
#include "collect/collect.h"

#define POLL_MS 250
#define POLL_BUSY_MS 2 /* while a container waits for its name */
#define SIBLINGS_MAX 16

struct collector {
	struct aggregate *aggregate;
	struct capture_writer *capture;
	struct collect *collect;
	struct metadata *metadata; /* NULL: no threads to be had */
	bool capture_full;
	bool off; /* as switched */
};

static int take_event(void *ctx, const struct kw_event *event)
{
	struct collector *c = ctx;
	int r = aggregate_event(c->aggregate, event), error;

	if (c->capture && !c->capture_full) {
		error = capture_write(c->capture, event);
		c->capture_full = error < 0;
		if (error == -EFBIG)
			log_info("the capture file has reached its size; it is complete up to here");
		else if (error)
			log_warning("cannot write the capture file: %s; it is complete up to here", strerror(-error));
	}
	return r;
}

static int read_boot_id(char ret_id[40])
{
	ssize_t n = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret_id, 40);

	if (n < 36)
		return n < 0 ? (int)n : -EINVAL;
	ret_id[36] = 0;
	return 0;
}

static int open_capture(const struct cli *cli, const char *boot_id, struct collector *c)
{
	struct capture_header header = { 0 };
	struct utsname host;
	int r;

	if (!cli->capture)
		return 0;
	uname(&host);
	snprintf(header.boot_id, sizeof(header.boot_id), "%s", boot_id);
	snprintf(header.node, sizeof(header.node), "%.63s", host.nodename);
	snprintf(header.kernel, sizeof(header.kernel), "%.63s", host.release);
	snprintf(header.arch, sizeof(header.arch), "%.15s", host.machine);
	r = capture_create(cli->capture, &header, (uint64_t)cli->capture_max, &c->capture);
	if (r)
		log_error("cannot write %s: %s", cli->capture, strerror(-r));
	return r;
}

static int open_store(const struct cli *cli, struct collector *c, gid_t *ret_gid)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct account account;
	char boot_id[40];
	int r = read_boot_id(boot_id);

	if (r) {
		log_error("cannot read this boot's id from /proc: %s", strerror(-r));
		return CLI_HOST;
	}
	r = aggregate_new(cli->state, cli->config, boot_id, &c->aggregate, &err);
	if (r) {
		log_error("cannot open the store in %s: %s", cli->state, err.len ? strbuf_str(&err) : strerror(-r));
		return CLI_STORE;
	}
	if (err.len)
		log_warning("%s", strbuf_str(&err));
	*ret_gid = (gid_t)-1;
	if (!geteuid() && !account_find(config_string(cli->config, "serve.user"), &account)) {
		*ret_gid = account.gid;
		r = aggregate_share(c->aggregate, account.gid);
		if (r)
			log_warning("cannot share the store with the group of %s: %s", account.name, strerror(-r));
	}
	return open_capture(cli, boot_id, c) ? CLI_STORE : CLI_OK;
}

/* Processes of the same supervisor: children of our parent, from the kernel's list (CONFIG_PROC_CHILDREN). */
static size_t find_siblings(pid_t *ret_pids, size_t max)
{
	char path[64], text[512], *at = text, *end;
	pid_t parent = getppid();
	size_t n = 0;

	ret_pids[n++] = parent;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return n;
	while (n < max) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		at = end;
		if (pid != getpid())
			ret_pids[n++] = (pid_t)pid;
	}
	return n;
}

static size_t own_pids(const struct cli *cli, pid_t *ret_pids, size_t max)
{
	size_t n = cli->supervised ? find_siblings(ret_pids, max) : 0;

	for (size_t i = 0; i < cli->own_pid_count && n < max; i++)
		ret_pids[n++] = (pid_t)cli->own_pids[i];
	return n;
}

/* The supervisor sends SIGHUP when it has started another process. */
static void add_siblings(struct collect *c)
{
	pid_t pids[SIBLINGS_MAX];
	size_t n = find_siblings(pids, ARRAY_SIZE(pids));

	for (size_t i = 0; i < n; i++)
		if (collect_add_own_pid(c, pids[i]) < 0)
			log_debug("cannot leave process %d out", (int)pids[i]);
}

static int start(const struct cli *cli, struct collector *c)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, about = STRBUF_INIT;
	pid_t pids[SIBLINGS_MAX];
	const struct collect_options options = {
		.config = cli->config,
		.own_pids = pids,
		.own_pid_count = (unsigned int)own_pids(cli, pids, ARRAY_SIZE(pids)),
		.off = switch_is_off(cli->state),
		.fn = take_event,
		.ctx = c,
	};
	int r = collect_new(&options, &c->collect, &err);

	c->off = options.off;
	if (r == -ENODEV) {
		log_error("nothing to watch on this host: %s",
			  err.len ? strbuf_str(&err) : "no BPF, no PSI, no /proc, no cgroup files");
		return CLI_HOST;
	}
	if (r) {
		log_error("cannot watch this host: %s", err.len ? strbuf_str(&err) : strerror(-r));
		return CLI_HOST;
	}
	/* A supervisor says it itself, once everything stands. */
	if (!collect_degraded(c->collect) || cli->supervised)
		return CLI_OK;
	collect_describe(c->collect, &about);
	log_warning("part of what kwhy can watch is missing here; kwhy probes and kwhy doctor say what and why");
	fputs(strbuf_str(&about), stderr);
	return CLI_OK;
}

static void start_metadata(const struct cli *cli, struct collector *c)
{
	int r = metadata_new(cli->config, "", &c->metadata);

	if (r)
		log_warning("containers go by their cgroup's path only: %s", strerror(-r));
	else
		aggregate_ask(c->aggregate, c->metadata);
}

static void take_metadata(struct collector *c)
{
	union record record;

	while (c->metadata && metadata_next(c->metadata, &record))
		take_event(c, &record.event);
}

/* A look costs a microsecond, ten times a second. */
static void follow_switch(const struct cli *cli, struct collector *c)
{
	bool off = switch_is_off(cli->state);

	if (off == c->off)
		return;
	collect_switch(c->collect, !off);
	c->off = off;
	log_warning(off ? "everything is switched off, until kwhy on" : "everything is switched on again");
}

static int watch(const struct cli *cli, struct collector *c, int signals)
{
	int r, signal;

	for (;;) {
		follow_switch(cli, c);
		signal = signals_wait(signals, 0);
		if (signal == SIGHUP && cli->supervised)
			add_siblings(c->collect);
		else if (signal)
			return CLI_OK;
		r = collect_poll(c->collect, c->metadata && metadata_busy(c->metadata) ? POLL_BUSY_MS : POLL_MS);
		if (r < 0 && r != -EINTR) {
			log_error("watching ended: %s", strerror(-r));
			return CLI_HOST;
		}
		take_metadata(c);
	}
}

int verb_collect(struct cli *cli)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, 0 };
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	AUTO_CLOSE int signals = signals_open(ends);
	struct confine *confine = NULL;
	struct collector c = { 0 };
	gid_t gid;
	int code;

	log_set_stage("collect");
	if (!cli->supervised)
		confine = confine_self(cli->config);
	if (cli->supervised && privilege_die_with_parent(0))
		log_warning("this process will outlive its parent");
	code = open_store(cli, &c, &gid);
	if (!code && privilege_keep_watching(gid, &err))
		log_warning("%s", strbuf_str(&err));
	if (!code)
		start_metadata(cli, &c);
	if (!code)
		code = start(cli, &c);
	if (!code)
		code = watch(cli, &c, signals);
	collect_free(c.collect);
	take_metadata(&c);
	metadata_free(c.metadata);
	if (c.capture && capture_close(c.capture))
		log_warning("the end of the capture file could not be written");
	aggregate_free(c.aggregate);
	confine_leave(confine);
	return code;
}
