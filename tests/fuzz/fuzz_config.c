/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Loads the bytes as a file without touching a disk. */
static int load(struct config *c, const void *data, size_t size, struct strbuf *error)
{
	AUTO_CLOSE int fd = memfd_create("config", MFD_CLOEXEC);
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return config_load(c, path, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	AUTO(strbuf) struct strbuf first = STRBUF_INIT;
	AUTO(strbuf) struct strbuf second = STRBUF_INIT;
	struct config *c = config_new();
	int r;

	if (!c)
		return 0;
	r = load(c, data, size, &error);
	if (r < 0 && !error.len)
		abort();
	if (strchr(strbuf_str(&error), '\n'))
		abort();
	config_dump(c, &first);
	if (r == 0) {
		/* What is dumped loads again and means the same. */
		if (load(c, strbuf_str(&first), first.len, &error) < 0)
			abort();
		config_dump(c, &second);
		if (strcmp(strbuf_str(&first), strbuf_str(&second)) != 0)
			abort();
	}
	config_free(c);
	return 0;
}
