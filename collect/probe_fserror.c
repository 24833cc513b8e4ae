/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

/* Of other file systems the kernel log tells. */
static const struct attach_choice hooks[] = {
	{ "ext4_error", "ext4_damaged", false, NULL },
	{ "ext4_shutdown", "ext4_shut_down", false, NULL },
	{ "xfs_shutdown", "xfs_shut_down", false, NULL },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_fserror, 0 };

const struct probe probe_fserror = {
	.name = "fserror",
	.title = "File systems that found themselves damaged or were shut down",
	.cost = "ext4_error, ext4_shutdown, xfs_force_shutdown: never on a healthy host",
	.causes = "fs.error",
	.by_device = true,
	.object = "fserr",
	.attach = hooks,
	.kinds = kinds,
};
