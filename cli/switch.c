/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/switch.h"

#include <stdio.h>
#include <unistd.h>

void switch_path(const char *state, char *ret, size_t size)
{
	if (snprintf(ret, size, "%s/off", state) >= (int)size)
		*ret = '\0';
}

bool switch_is_off(const char *state)
{
	char path[4096];

	switch_path(state, path, sizeof(path));
	return *path && !access(path, F_OK);
}
