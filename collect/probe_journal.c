/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

/* Of ext4 and its journal; a kernel without these tracepoints has neither.  Those of XFS and btrfs may be missing, too. */
static const struct attach_choice hooks[] = {
	{ "handle", "handle_stopped", true, "who fills the journal of a file system" },
	{ "done", "commit_done", true, "how long journal commits take" },
	{ "start", "commit_started", true, "how long journal commits take" },
	{ "flushing", "commit_flushing", true, "whose changes a journal commit writes" },
	{ "logging", "commit_logging", false, "in which phase a journal commit is slow" },
	{ "fsync", "fsync_begun", false, "who waited in fsync for whose journal commits" },
	{ "fsync_exit", "fsync_done", false, "who waited in fsync for whose journal commits" },
	{ "log", "log_reserved", false, NULL },
	{ "log_more", "log_regranted", false, NULL },
	{ "log_full", "log_full", false, NULL },
	{ "log_space", "log_has_space", false, NULL },
	{ "space", "space_reserved", false, NULL },
	{ "space_wait", "space_granted", false, NULL },
	{ "space_commit", "space_committed", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_fsync, KW_KIND_commit, KW_KIND_logwait, 0 };

const struct probe probe_journal = {
	.name = "journal",
	.title = "Journal commits of ext4, log of XFS, metadata of btrfs: how long, for whose changes, and who waited for them",
	.cost = "jbd2_handle_stats, xfs_log_reserve, btrfs_space_reservation: 0.4 us each change of metadata; five hooks a commit, "
		"two an fsync, two a wait",
	.causes = "fs.journal,fs.sync",
	.object = "journal",
	.attach = hooks,
	.kinds = kinds,
};
