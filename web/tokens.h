/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what: bearer tokens (RFC 6750), kept in one file per role.  A line is TOKEN or NAME:TOKEN, '#' begins a
 * comment; the name is what the audit log calls its holder.  A file that others may read or write, or that cannot be
 * understood, gives nobody access.  Only hashes stay in memory.
 */
#ifndef KWHY_WEB_TOKENS_H
#define KWHY_WEB_TOKENS_H

#include <stdbool.h>

#include "base/strbuf.h"

#define TOKEN_MIN 16 /* characters */
#define TOKEN_MAX 256
#define TOKENS_MAX 64 /* per file */

/* Each may do what those before it may. */
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLES };

struct identity {
	enum role role;
	char name[64];
};

struct tokens;

/* Files of viewers, operators and admins, "" for none.  Nothing is read before tokens_reload().  NULL: no memory. */
struct tokens *tokens_new(const char *viewers, const char *operators, const char *admins);
void tokens_free(struct tokens *t); /* NULL is fine */
/* Whether any file is named: then nobody comes in without a token.  false for NULL. */
bool tokens_wanted(const struct tokens *t);
/* Reads the files that changed; what is wrong with one goes to *ret_text, a line each, once per change. */
void tokens_reload(struct tokens *t, struct strbuf *ret_text);
/* Number of tokens that are good now. */
unsigned int tokens_count(struct tokens *t);
/* The holder of a token; role ROLE_NONE when nobody has it.  Takes the same time for every wrong one. */
struct identity tokens_identify(struct tokens *t, const char *token);
/* Whether text is made of what a token may be made of (RFC 6750, 2.1), so that it can stand in a cookie. */
bool token_is_plausible(const char *text);

const char *role_name(enum role role);

#endif
