/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture from a stranger: the file itself, and, past its check sums, its records on their way into a store.
 * Input: a capture file; or 'R' and records as they stand behind their frames.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "aggregate/capture.h"
#include "aggregate/record.h"

#define BOOT_ID "11111111-2222-3333-4444-555555555555"
#define RECORDS_PER_STORE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/kwhy-fuzz-XXXXXX";
static struct config *config;
static struct aggregate *store;
static unsigned int taken;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	aggregate_free(store);
	config_free(config);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* One store serves many inputs, so that they meet what others left behind; its size and age are small. */
static void set_up(void)
{
	struct strbuf error = STRBUF_INIT;

	if (!config) {
		config = config_new();
		if (!config || !mkdtemp(dir) || config_set(config, "store.max_size", "4M", &error) || atexit(clean_up))
			abort();
	}
	if (store && taken < RECORDS_PER_STORE)
		return;
	aggregate_free(store);
	store = NULL;
	taken = 0;
	if (aggregate_new(dir, config, BOOT_ID, &store, &error))
		abort();
	strbuf_cleanup(&error);
}

static void feed(const struct kw_event *event)
{
	int r = aggregate_event(store, event);

	if (r && r != -EBADMSG && r != -ENOSPC && r != -EIO)
		abort();
	taken++;
}

static void feed_records(const uint8_t *data, size_t size)
{
	static union record record;

	while (size >= sizeof(record.event)) {
		memset(&record, 0, sizeof(record));
		memcpy(record.bytes, data, sizeof(record.event));
		size -= sizeof(record.event);
		data += sizeof(record.event);
		record.event.payload_size %= sizeof(record) - sizeof(record.event);
		memcpy(record.bytes + sizeof(record.event), data, MIN(size, record.event.payload_size));
		data += MIN(size, record.event.payload_size);
		size -= MIN(size, record.event.payload_size);
		feed(&record.event);
	}
}

static void feed_file(const uint8_t *data, size_t size)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;
	AUTO_CLOSE int fd = memfd_create("capture", MFD_CLOEXEC);
	struct capture_reader *c = NULL;
	struct capture_header header;
	const struct kw_event *event;
	char path[64];
	int r;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = capture_open(path, &c, &header, &error);
	if (r) {
		if (r != -EPROTO || !error.len)
			abort();
		return;
	}
	while ((r = capture_read(c, &event)) == 1)
		feed(event);
	if (r && r != -EBADMSG)
		abort();
	capture_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	set_up();
	if (data[0] == 'R')
		feed_records(data + 1, size - 1);
	else
		feed_file(data, size);
	return 0;
}
