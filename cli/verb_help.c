/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/help_formats.h"
#include "cli/term.h"

static const struct {
	const char *key, *standard, *text;
} settings[] = {
#define SETTING(key, type, standard, text) { key, standard, text },
#include "base/settings.def"
#undef SETTING
};

static int help_config(void)
{
	term_print("Settings, for --config FILE (\"key = value\" lines, # comments) and --set KEY=VALUE:\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		printf("  %-30s %s [%s]\n", settings[i].key, settings[i].text, settings[i].standard);
	return CLI_OK;
}

static int help_all(void)
{
	const struct verb *verb;

	term_print("kwhy answers: who made whom wait, on what, and why.\n\nUsage: kwhy VERB [OPTIONS]\n\nVerbs:\n");
	for (size_t i = 0; (verb = verb_at(i)); i++)
		printf("  %-11s %s\n", verb->name, verb->text);
	return term_print("\nkwhy help VERB describes one, kwhy help config the settings.\n"
			  "Exit codes: 0 fine, 1 a negative finding, 2 usage, 3 this host cannot, 4 no daemon or "
			  "store, 5 partial result.\n");
}

int verb_help(struct cli *cli)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	const struct verb *verb;

	if (!cli->arg_count)
		return help_all();
	if (!strcmp(cli->args[0], "config"))
		return help_config();
	if (help_format(cli->args[0], &text))
		return term_print(strbuf_str(&text));
	verb = verb_find(cli->args[0]);
	if (!verb) {
		log_error("there is no verb \"%s\"", cli->args[0]);
		return CLI_USAGE;
	}
	cli_describe(verb, &text);
	return term_print(strbuf_str(&text));
}

int verb_version(struct cli *cli)
{
	(void)cli;
	return term_print("kwhy " KWHY_VERSION "\n");
}
