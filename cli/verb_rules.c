/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "analyze/analyzer.h"
#include "base/log.h"
#include "cli/cli.h"

int verb_rules(struct cli *cli)
{
	int code = CLI_OK;

	if (strcmp(cli->args[0], "check")) {
		log_error("rules knows \"check\", not \"%s\"", cli->args[0]);
		return CLI_USAGE;
	}
	for (size_t i = 1; i < cli->arg_count; i++) {
		AUTO(strbuf) struct strbuf messages = STRBUF_INIT;

		if (!rules_check_file(cli->args[i], &messages))
			continue;
		/* The findings are the result. */
		fputs(messages.len ? strbuf_str(&messages) : cli->args[i], stdout);
		if (!messages.len || messages.data[messages.len - 1] != '\n')
			putchar('\n');
		code = CLI_FINDING;
	}
	return code;
}
