/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of verbs, options and settings in the forms of other programs: a manual page, a shell's completion. */
#ifndef KWHY_CLI_HELP_FORMATS_H
#define KWHY_CLI_HELP_FORMATS_H

#include <stdbool.h>

#include "base/strbuf.h"

/*
 * In one of them: "man" is kwhy(1) in the macros of groff_man(7); "bash", "zsh" and "fish" are completion for those
 * shells (make install says where each looks for it).  false: there is none of that name.
 */
bool help_format(const char *name, struct strbuf *out);

#endif
