/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

/* Of ext4 and its journal; a kernel without these tracepoints has neither. */
static const struct attach_choice hooks[] = {
	{ "handle", "handle_stopped", true, "who fills the journal of a file system" },
	{ "done", "commit_done", true, "how long journal commits take" },
	{ "start", "commit_started", true, "how long journal commits take" },
	{ "flushing", "commit_flushing", true, "whose changes a journal commit writes" },
	{ "logging", "commit_logging", false, "in which phase a journal commit is slow" },
	{ "fsync", "fsync_begun", false, "who waited in fsync for whose journal commits" },
	{ "fsync_exit", "fsync_done", false, "who waited in fsync for whose journal commits" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_fsync, KW_KIND_commit, 0 };

const struct probe probe_journal = {
	.name = "journal",
	.title = "Journal commits of ext4: how long, for whose changes, and who waited in fsync for them",
	.cost = "jbd2_handle_stats: 0.4 us each handle that changed something; five hooks a commit, two an fsync",
	.causes = "fs.journal,fs.sync",
	.object = "journal",
	.attach = hooks,
	.kinds = kinds,
};
