/* SPDX-License-Identifier: Apache-2.0 */
/* kwhy bpf inspect, kwhy bpf run: BPF objects of other people. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/signals.h"
#include "cli/term.h"
#include "collect/bpfobj.h"

#define POLL_MS 200

static int inspect(const struct bpfobj *o)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	struct jsonw w;

	jsonw_init(&w, &text);
	bpfobj_describe(o, &w);
	strbuf_addch(&text, '\n');
	return strbuf_error(&text) ? CLI_STORE : term_print(strbuf_str(&text));
}

struct output {
	int64_t lines, limit; /* limit 0: none */
};

static void print_line(void *ctx, const char *json)
{
	struct output *out = ctx;

	if (out->limit && out->lines >= out->limit)
		return;
	out->lines++;
	puts(json);
}

static int follow(struct bpfobj *o, struct output *out, int signals)
{
	int r = 0;

	while (r >= 0 && !ferror(stdout) && !(out->limit && out->lines >= out->limit)) {
		if (signals_wait(signals, 0))
			break;
		r = bpfobj_poll(o, POLL_MS, print_line, out);
		fflush(stdout);
	}
	if (bpfobj_lost(o))
		log_warning("%llu records were overwritten before they were read", bpfobj_lost(o));
	if (r < 0 && r != -ENODATA) {
		log_error("cannot read on: %s", strerror(-r));
		return CLI_STORE;
	}
	return bpfobj_lost(o) ? CLI_PARTIAL : CLI_OK;
}

static int run(const struct cli *cli, struct bpfobj *o)
{
	static const int ends[] = { SIGINT, SIGTERM, 0 };
	AUTO_CLOSE int signals = signals_open(ends);
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, warnings = STRBUF_INIT;
	struct output out = { .limit = cli->limit };
	int r = bpfobj_start(o, cli->type, &warnings, &err);

	for (const char *line = strbuf_str(&warnings); *line; line += strcspn(line, "\n") + 1)
		log_warning("%.*s", (int)strcspn(line, "\n"), line);
	if (r) {
		log_error("%s", strbuf_str(&err));
		return r == -EINVAL && cli->type ? CLI_USAGE : CLI_HOST;
	}
	return follow(o, &out, signals);
}

int verb_bpf(struct cli *cli)
{
	bool running = !strcmp(cli->args[0], "run");
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct bpfobj *o;
	int code;

	if (!running && strcmp(cli->args[0], "inspect")) {
		log_error("bpf run or bpf inspect, not \"%s\"", cli->args[0]);
		return CLI_USAGE;
	}
	if (bpfobj_open(cli->args[1], &o, &err)) {
		log_error("%s", strbuf_str(&err));
		return CLI_USAGE;
	}
	code = running ? run(cli, o) : inspect(o);
	bpfobj_free(o);
	return code;
}
