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

static void format_man(struct strbuf *out)
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

static void format_bash(struct strbuf *out)
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

/* Inside single quotes; quote is how the shell writes one there, special what else it wants a backslash before. */
static void add_quoted(struct strbuf *out, const char *text, const char *quote, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'') {
			strbuf_addstr(out, quote);
			continue;
		}
		if (strchr(special, *text))
			strbuf_addch(out, '\\');
		strbuf_addch(out, *text);
	}
}

static bool names_file(const char *metavar)
{
	return strstr(metavar, "FILE") || strstr(metavar, "DIR") || strstr(metavar, "EXPECTED");
}

static void zsh_text(struct strbuf *out, const char *text, const char *special)
{
	add_quoted(out, text, "'\\''", special);
}

/* A specification of _arguments (zshcompsys(1)): '*--name=[text]:what it takes:how to complete that'. */
static void zsh_option(void *ctx, const char *name, const char *metavar, const char *text)
{
	struct strbuf *out = ctx;
	bool maybe = *metavar == '[';

	strbuf_addf(out, " \\\n\t\t\t'*--%s%s[", name, maybe ? "=-" : *metavar ? "=" : "");
	zsh_text(out, text, "]");
	strbuf_addch(out, ']');
	if (*metavar) {
		strbuf_addstr(out, maybe ? "::" : ":");
		zsh_text(out, metavar, ":");
		strbuf_addstr(out, names_file(metavar) ? ":_files" : ": ");
	}
	strbuf_addch(out, '\'');
}

static void format_zsh(struct strbuf *out)
{
	const struct verb *verb;

	strbuf_addstr(out, "#compdef kwhy\n# kwhy(1) completion: made by kwhy help zsh\n_kwhy() {\n"
			   "\tlocal -a verbs\n\tlocal verb\n\tif ((CURRENT == 2)); then\n\t\tverbs=(");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		strbuf_addf(out, "\n\t\t\t'%s:", verb->name);
		zsh_text(out, verb->text, "");
		strbuf_addch(out, '\'');
	}
	strbuf_addstr(out, "\n\t\t)\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n\tverb=$words[2]\n\tshift words\n"
			   "\t((CURRENT--))\n\tcase $verb in\n");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		strbuf_addf(out, "\t%s)\n\t\t_arguments", verb->name);
		cli_each_option(verb, false, zsh_option, out);
		cli_each_option(verb, true, zsh_option, out);
		strbuf_addstr(out, " \\\n\t\t\t'*: :_files' ;;\n");
	}
	strbuf_addstr(out, "\tesac\n}\n_kwhy \"$@\"\n");
}

static void fish_text(struct strbuf *out, const char *text)
{
	strbuf_addch(out, '\'');
	add_quoted(out, text, "\\'", "\\");
	strbuf_addch(out, '\'');
}

struct fish {
	struct strbuf *out;
	const char *when; /* a condition, in fish */
};

static void fish_option(void *ctx, const char *name, const char *metavar, const char *text)
{
	const struct fish *f = ctx;
	bool value = *metavar && *metavar != '[';

	strbuf_addf(f->out, "complete -c kwhy -n '%s' -l %s%s -d ", f->when, name,
		    !value ? "" : names_file(metavar) ? " -r -F" : " -x");
	fish_text(f->out, text);
	strbuf_addch(f->out, '\n');
}

static void format_fish(struct strbuf *out)
{
	const struct verb *verb;

	strbuf_addstr(out, "# kwhy(1) completion: made by kwhy help fish\n");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		char when[96];

		strbuf_addf(out, "complete -c kwhy -n __fish_use_subcommand -f -a %s -d ", verb->name);
		fish_text(out, verb->text);
		strbuf_addch(out, '\n');
		snprintf(when, sizeof(when), "__fish_seen_subcommand_from %s", verb->name);
		cli_each_option(verb, false, fish_option, &(struct fish){ out, when });
	}
	cli_each_option(verb_at(0), true, fish_option, &(struct fish){ out, "not __fish_use_subcommand" });
}

bool help_format(const char *name, struct strbuf *out)
{
	static const struct {
		const char *name;
		void (*format)(struct strbuf *out);
	} formats[] = { { "man", format_man }, { "bash", format_bash }, { "zsh", format_zsh }, { "fish", format_fish } };

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(formats[i].name, name))
			continue;
		formats[i].format(out);
		return true;
	}
	return false;
}
