/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help_formats.h"

#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *key, *standard, *text;
} settings[] = {
#define SETTING(key, type, standard, text) { key, standard, text },
#include "base/settings.def"
#undef SETTING
};

/* groff_char(7): a minus that can be copied, and no line that looks like a request. */
static void add_roff(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			strbuf_addstr(out, "\\-");
		else if (*text == '\\')
			strbuf_addstr(out, "\\e");
		else if (*text == '\'')
			strbuf_addstr(out, "\\(aq");
		else
			strbuf_addch(out, *text);
	}
}

static void man_item(struct strbuf *out, const char *name, const char *value, const char *text)
{
	strbuf_addstr(out, ".TP\n\\fB");
	add_roff(out, name);
	strbuf_addstr(out, "\\fR");
	if (*value) {
		strbuf_addstr(out, *value == '[' ? "\\fI" : " \\fI");
		add_roff(out, value);
		strbuf_addstr(out, "\\fR");
	}
	strbuf_addstr(out, "\n\\&");
	add_roff(out, text);
	strbuf_addch(out, '\n');
}

static void man_option(void *ctx, const char *name, const char *metavar, const char *text)
{
	char dashed[40];

	snprintf(dashed, sizeof(dashed), "--%s", name);
	man_item(ctx, dashed, metavar, text);
}

void help_man(struct strbuf *out)
{
	const struct verb *verb;

	strbuf_addstr(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n.TH KWHY 1 \"\" \"kwhy " KWHY_VERSION "\"\n.SH NAME\n"
			   "kwhy \\- who made whom wait, on what, and why\n.SH SYNOPSIS\n\\fBkwhy\\fR \\fIVERB\\fR"
			   " [\\fIOPTIONS\\fR]\n.SH VERBS\n");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		man_item(out, verb->name, verb->args, verb->text);
		strbuf_addstr(out, ".RS\n");
		cli_each_option(verb, false, man_option, out);
		strbuf_addstr(out, ".RE\n");
	}
	strbuf_addstr(out, ".SH OPTIONS OF ALL VERBS\n");
	cli_each_option(verb_at(0), true, man_option, out);
	strbuf_addstr(out, ".SH SETTINGS\nFor \\-\\-config and \\-\\-set.\n");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		man_item(out, settings[i].key, settings[i].standard, settings[i].text);
	strbuf_addstr(out, ".SH EXIT STATUS\n0 fine, 1 a negative finding, 2 usage, 3 this host cannot, 4 no daemon or"
			   " store, 5 partial result.\n");
}

static void bash_option(void *ctx, const char *name, const char *metavar, const char *text)
{
	(void)metavar;
	(void)text;
	strbuf_addf(ctx, " --%s", name);
}

void help_bash(struct strbuf *out)
{
	const struct verb *verb;

	strbuf_addstr(out, "# kwhy(1) completion: made by kwhy help bash\n_kwhy() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
			   "words=\n\tif ((COMP_CWORD == 1)); then\n\t\twords='");
	for (size_t i = 0; (verb = verb_at(i)); i++)
		strbuf_addf(out, "%s%s", i ? " " : "", verb->name);
	strbuf_addstr(out, "'\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		strbuf_addf(out, "\t\t%s) words='", verb->name);
		cli_each_option(verb, false, bash_option, out);
		cli_each_option(verb, true, bash_option, out);
		strbuf_addstr(out, "' ;;\n");
	}
	strbuf_addstr(out, "\t\tesac\n\t\t[[ $cur == -* ]] || words=\n\tfi\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\""
			   " -- \"$cur\")\n}\ncomplete -o default -F _kwhy kwhy\n");
}
