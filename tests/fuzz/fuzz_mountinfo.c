/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/cgroups.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Mount points are named by whoever may mount.  The two texts are separated by an empty line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cgroup_hierarchy list[CGROUP_HIERARCHIES_MAX];
	AUTO_FREE char *text = strndup((const char *)data, size);
	unsigned int count;
	char *second;

	if (!text)
		return 0;
	second = strstr(text, "\n\n");
	if (second) {
		*second = '\0';
		second += 2;
	}
	count = cgroup_hierarchies_parse(text, second ? second : "", list, CGROUP_HIERARCHIES_MAX);
	if (count > CGROUP_HIERARCHIES_MAX)
		abort();
	for (unsigned int i = 0; i < count; i++) {
		if (list[i].number > 255 || strnlen(list[i].controllers, sizeof(list[i].controllers)) > 31 ||
		    !list[i].mount)
			abort();
		for (unsigned int j = 0; j < i; j++)
			if (list[i].number == list[j].number)
				abort();
		free(list[i].mount);
		free(list[i].root);
	}
	return 0;
}
