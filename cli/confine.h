/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kwhy limits itself: a cgroup of its own below the one it was started in, with self.cpu and self.memory, and with ten
 * times the usual weight where its CPU is limited, for this process and those it starts.  v1: one directory in the
 * hierarchy of each controller.  v2: only where no other process shares the cgroup (processes and controllers exclude
 * each other, Documentation/admin-guide/cgroup-v2.rst) or at the root.
 */
#ifndef KWHY_CLI_CONFINE_H
#define KWHY_CLI_CONFINE_H

#include "base/config.h"
#include "base/strbuf.h"

struct confine;

/*
 * *ret_said: one sentence, which limits hold and which could not be set and why.  Number of limits that hold, -ENOMEM.
 * What holds ends with confine_leave().
 */
int confine_enter(const struct config *config, struct confine **ret_confine, struct strbuf *ret_said);
/* The same with the texts of /proc/self/mountinfo and /proc/self/cgroup (a test's own tree). */
int confine_within(const char *mountinfo, const char *self, const struct config *config, struct confine **ret_confine,
		   struct strbuf *ret_said);
/* The same for a daemon: says it in the log.  NULL: out of memory. */
struct confine *confine_self(const struct config *config);
/* Back to where it was, directories removed.  NULL is fine.  After all children have ended. */
void confine_leave(struct confine *c);

#endif
