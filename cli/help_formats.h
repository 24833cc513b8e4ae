/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of verbs, options and settings in the forms of other programs: a manual page, a shell's completion. */
#ifndef KWHY_CLI_HELP_FORMATS_H
#define KWHY_CLI_HELP_FORMATS_H

#include "base/strbuf.h"

/* kwhy(1), in the man macros of groff_man(7). */
void help_man(struct strbuf *out);
/* For bash; source it, or put it below /usr/share/bash-completion/completions. */
void help_bash(struct strbuf *out);

#endif
