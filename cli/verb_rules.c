/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "analyze/rules.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/term.h"

int verb_rules(struct cli *cli)
{
	AUTO(strbuf) struct strbuf messages = STRBUF_INIT;

	if (strcmp(cli->args[0], "check")) {
		log_error("rules knows \"check\", not \"%s\"", cli->args[0]);
		return CLI_USAGE;
	}
	if (!rules_check_files(cli->args + 1, cli->arg_count - 1, &messages))
		return CLI_OK;
	/* The findings are the result. */
	term_print(strbuf_str(&messages));
	return CLI_FINDING;
}
