/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols of a program: a file that a container made. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/elfsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("elf", MFD_CLOEXEC);
	struct elfsyms *symbols;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || elfsyms_read(fd, &symbols) < 0)
		return 0;
	for (uint64_t at = 0; at < size + 16; at += 16) {
		uint64_t into;
		const char *name = elfsyms_find(symbols, at, &into);

		if (name && (!*name || strnlen(name, ELFSYMS_NAME_MAX) == ELFSYMS_NAME_MAX || strchr(name, ';') || into > at))
			abort();
	}
	elfsyms_free(symbols);
	return 0;
}
