/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each half of kwhy gives up.  The collector keeps the few capabilities it reads the kernel with; the server keeps
 * none and runs under an account of its own.
 */
#ifndef KWHY_CLI_PRIVILEGE_H
#define KWHY_CLI_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/strbuf.h"

struct account {
	uid_t uid;
	gid_t gid;
	char name[64];
	bool fallback; /* the account asked for does not exist: nobody's was taken */
};

/* The account of that name, else nobody's.  -ENOENT when there is neither. */
int account_find(const char *name, struct account *ret_account);
/* A state directory that root made from a file goes to that account, for kwhy serve; of others it stays as it is. */
void account_give(const char *name, const char *state_dir);
/* Became that user for good, with no capability and no way back; done by root only. */
int privilege_become(const struct account *account, struct strbuf *ret_error);
/* Drops every capability but those the collector needs; joins the group it shares its store with ((gid_t)-1: none). */
int privilege_keep_watching(gid_t gid, struct strbuf *ret_error);
/* The kernel ends this process with its parent.  To be called again after a change of user, which clears it. */
int privilege_die_with_parent(pid_t parent);

#endif
