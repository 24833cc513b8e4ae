/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture file: the stream of finished records as aggregate_event() takes
 * them, behind a header (magic, format version, byte order, boot id, node,
 * kernel).  Replaying it takes the same path as live records, without root.
 */
#ifndef KWHY_AGGREGATE_CAPTURE_H
#define KWHY_AGGREGATE_CAPTURE_H

#include <stdint.h>

#include "base/strbuf.h"
#include "schema/event.h"

struct capture_writer;
struct capture_reader;

struct capture_header {
	char boot_id[40];
	char node[64];
	char kernel[64];
	char arch[16];
};

/* Stops with -EFBIG at max_bytes (0: no limit); the file stays readable. */
int capture_create(const char *path, const struct capture_header *header, uint64_t max_bytes,
		   struct capture_writer **ret_writer);
int capture_write(struct capture_writer *w, const struct kw_event *event);
int capture_close(struct capture_writer *w); /* NULL is fine */

/* A line for people in *ret_error.  -EPROTO not a capture, or newer, or of the other byte order. */
int capture_open(const char *path, struct capture_reader **ret_reader, struct capture_header *ret_header,
		 struct strbuf *ret_error);
/* 1 and a record valid until the next call; 0 at the end; -EBADMSG at a torn or damaged record. */
int capture_read(struct capture_reader *c, const struct kw_event **ret_event);
void capture_free(struct capture_reader *c);

#endif
