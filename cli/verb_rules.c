/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "analyze/rules.h"
#include "analyze/rules_test.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"

/* What is found is the result, not a message. */
static int check(const struct cli *cli)
{
	AUTO(strbuf) struct strbuf found = STRBUF_INIT;
	int r = rules_check_files(cli->args + 1, cli->arg_count - 1, &found);

	term_print(strbuf_str(&found));
	return r ? CLI_FINDING : CLI_OK;
}

static int test(const struct cli *cli)
{
	AUTO(strbuf) struct strbuf found = STRBUF_INIT;
	int code = CLI_OK;

	for (size_t i = 1; i < cli->arg_count; i++)
		if (rules_test_file(cli->args[i], &found))
			code = CLI_FINDING;
	term_print(strbuf_str(&found));
	return code;
}

int verb_rules(struct cli *cli)
{
	if (!strcmp(cli->args[0], "check"))
		return check(cli);
	if (!strcmp(cli->args[0], "test"))
		return test(cli);
	log_error("rules knows \"check\" and \"test\", not \"%s\"", cli->args[0]);
	return CLI_USAGE;
}
