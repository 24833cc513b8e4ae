/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>

#include "analyze/worker.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"

static int usage(const char *verb, const struct strbuf *why)
{
	log_error("%s", strbuf_str(why));
	fprintf(stderr, "Try: kwhy help%s%s\n", verb ? " " : "", verb ? verb : "");
	return CLI_USAGE;
}

static int unknown_verb(const char *name)
{
	AUTO(strbuf) struct strbuf why = STRBUF_INIT;
	const char *near = verb_nearest(name);

	strbuf_addstr(&why, "there is no verb \"");
	strbuf_add_plain(&why, name);
	strbuf_addstr(&why, "\"");
	if (near)
		strbuf_addf(&why, "; did you mean \"%s\"?", near);
	return usage(NULL, &why);
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT, text = STRBUF_INIT;
	struct cli cli;
	int r = cli_parse(&cli, verb, argc, argv, &err);

	if (r == -ENOMEM) {
		log_error("out of memory");
		r = CLI_STORE;
	} else if (r) {
		r = usage(verb->name, &err);
	} else if (cli.help) {
		cli_describe(verb, &text);
		r = term_print(strbuf_str(&text));
	} else {
		r = cli.bundle ? cli_run_on_bundle(&cli) : verb->run(&cli);
	}
	cli_cleanup(&cli);
	/* A full disk or a closed pipe under our output is not success. */
	if (fflush(stdout) && !r)
		r = errno == EPIPE ? CLI_OK : CLI_PARTIAL;
	return r;
}

/*
 * Many threads that are mostly quiet.  By itself glibc (mallopt(3)) gives each an arena of its own that keeps what was
 * once used, and takes ever larger blocks from there, not from the kernel, once one such block was freed.
 */
static void spare_memory(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";
	const struct verb *verb;

	spare_memory();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "kwhy"); /* the halves are executed as /proc/self/exe, which would name them "exe" */
	/* Not for people: kwhy executes itself for a query (analyze/worker.h). */
	if (argc == 2 && !strcmp(name, WORKER_VERB))
		return worker_main(STDIN_FILENO, STDOUT_FILENO);
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version"))
		name = "version";
	verb = verb_find(name);
	if (!verb)
		return unknown_verb(name);
	/* Without a verb: the list of verbs, and 2 as nothing was asked for. */
	if (argc < 2) {
		run_verb(verb, 0, NULL);
		return CLI_USAGE;
	}
	return run_verb(verb, argc - 2, argv + 2);
}
