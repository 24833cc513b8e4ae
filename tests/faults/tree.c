/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tests/faults/sandbox.h"

/* "36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory", see proc_pid_mountinfo(5). */
bool cgroup_tree_parse(const char *line, struct cgroup_tree *ret_tree)
{
	char root[64], dir[128], type[32], options[120];
	const char *dash = strstr(line, " - ");

	if (!dash || sscanf(line, "%*d %*d %*s %63s %127s", root, dir) != 2)
		return false;
	if (sscanf(dash, " - %31s %*s %119s", type, options) != 2 || strcmp(root, "/") != 0)
		return false;
	if (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0)
		return false;
	ret_tree->v2 = strcmp(type, "cgroup2") == 0;
	snprintf(ret_tree->dir, sizeof(ret_tree->dir), "%s", dir);
	snprintf(ret_tree->options, sizeof(ret_tree->options), ",%s,", ret_tree->v2 ? "" : options);
	return true;
}
