/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols of a program: a file that a container made. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/demangle.h"
#include "collect/elfsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("elf", MFD_CLOEXEC);
	char id[ELFSYMS_BUILD_ID_MAX], clear[ELFSYMS_NAME_MAX];
	struct elfsyms *symbols;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	if (elfsyms_build_id(fd, id) && strspn(id, "0123456789abcdef") != strnlen(id, sizeof(id) - 1))
		abort();
	if (elfsyms_read(fd, &symbols) < 0)
		return 0;
	for (uint64_t at = 0; at < size + 16; at += 16) {
		uint64_t into;
		const char *name = elfsyms_find(symbols, at, &into);

		if (name && (!*name || strnlen(name, DEMANGLE_NAME_MAX) == DEMANGLE_NAME_MAX || strchr(name, ';') || into > at))
			abort();
		if (name && demangle(name, clear, sizeof(clear)) && strpbrk(clear, ";\n"))
			abort();
	}
	elfsyms_free(symbols);
	return 0;
}
