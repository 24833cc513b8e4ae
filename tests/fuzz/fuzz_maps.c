/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/maps: paths are whatever a container calls its files. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/usermaps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size);
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		struct user_region r;

		if (!user_region_parse(line, &r))
			continue;
		if (!r.name[0] || strnlen(r.name, sizeof(r.name)) == sizeof(r.name) || strchr(r.name, ';'))
			abort();
		for (const char *c = r.name; *c; c++)
			if (iscntrl((unsigned char)*c))
				abort();
	}
	return 0;
}
