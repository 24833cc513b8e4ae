/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/record.h"
#include "base/cleanup.h"
#include "base/hash.h"

#define CAPTURE_MAGIC "KWHYCAP"
#define CAPTURE_VERSION 1
#define CAPTURE_ORDER 0x01020304u

struct file_header {
	char magic[8];
	uint32_t order;
	uint32_t version;
	uint32_t size; /* of this header: a later one may be longer */
	uint32_t event_size;
	struct capture_header origin;
};

/* Before each record. */
struct frame {
	uint32_t size;
	uint32_t check; /* lower half of hash_bytes() of the record */
};

_Static_assert(sizeof(struct file_header) == 24 + sizeof(struct capture_header), "file_header");

struct capture_writer {
	FILE *file;
	uint64_t size, max_size;
	int error;
};

struct capture_reader {
	FILE *file;
	union record record;
};

static uint32_t check_of(const void *data, size_t len)
{
	return (uint32_t)hash_bytes(data, len, 0);
}

static int put(struct capture_writer *w, const void *data, size_t len)
{
	if (w->error)
		return w->error;
	if (fwrite(data, 1, len, w->file) != len)
		w->error = errno ? -errno : -EIO;
	w->size += len;
	return w->error;
}

int capture_create(const char *path, const struct capture_header *header, uint64_t max_bytes,
		   struct capture_writer **ret_writer)
{
	struct file_header h = { .magic = CAPTURE_MAGIC,
				 .order = CAPTURE_ORDER,
				 .version = CAPTURE_VERSION,
				 .size = sizeof(h),
				 .event_size = sizeof(struct kw_event),
				 .origin = *header };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	struct capture_writer *w;
	int r;

	if (fd < 0)
		return -errno;
	w = calloc(1, sizeof(*w));
	if (!w || !(w->file = fdopen(fd, "we"))) {
		free(w);
		close(fd);
		return -ENOMEM;
	}
	w->max_size = max_bytes;
	r = put(w, &h, sizeof(h));
	if (!r && fflush(w->file))
		r = -errno;
	if (r) {
		capture_close(w);
		return r;
	}
	*ret_writer = w;
	return 0;
}

int capture_write(struct capture_writer *w, const struct kw_event *event)
{
	const struct kw_kind_info *info;
	struct frame f = { .size = (uint32_t)sizeof(*event) + event->payload_size };
	int r = record_check(event, f.size, &info);

	if (r)
		return r;
	if (w->max_size && w->size + sizeof(f) + f.size > w->max_size)
		return -EFBIG;
	f.check = check_of(event, f.size);
	r = put(w, &f, sizeof(f));
	if (!r)
		r = put(w, event, f.size);
	/* What a tick promises is in the file, for whoever kills us next. */
	if (!r && event->kind == KW_KIND_tick && fflush(w->file))
		r = w->error = -errno;
	return r;
}

int capture_close(struct capture_writer *w)
{
	int r;

	if (!w)
		return 0;
	r = w->error;
	if (fclose(w->file) && !r)
		r = -errno;
	free(w);
	return r;
}

static int check_file_header(const struct file_header *h, const char *path, struct strbuf *ret_error)
{
	const char *why = NULL;

	if (memcmp(h->magic, CAPTURE_MAGIC, sizeof(h->magic)))
		why = "not a capture";
	else if (h->order == __builtin_bswap32(CAPTURE_ORDER))
		why = "captured on a machine of the other byte order";
	else if (h->order != CAPTURE_ORDER)
		why = "damaged at its beginning";
	else if (h->version > CAPTURE_VERSION)
		why = "written by a newer kwhy";
	else if (h->version < 1 || h->size < sizeof(*h) || h->size > 65536 || h->event_size != sizeof(struct kw_event))
		why = "damaged at its beginning";
	if (!why)
		return 0;
	strbuf_addf(ret_error, "%s: %s", path, why);
	return -EPROTO;
}

static void end_texts(struct capture_header *h)
{
	h->boot_id[sizeof(h->boot_id) - 1] = '\0';
	h->node[sizeof(h->node) - 1] = '\0';
	h->kernel[sizeof(h->kernel) - 1] = '\0';
	h->arch[sizeof(h->arch) - 1] = '\0';
}

static int open_regular(const char *path, FILE **ret_file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!(*ret_file = fdopen(fd, "re")))
		r = -ENOMEM;
	if (r)
		close(fd);
	return r;
}

int capture_open(const char *path, struct capture_reader **ret_reader, struct capture_header *ret_header,
		 struct strbuf *ret_error)
{
	AUTO_FCLOSE FILE *file = NULL;
	struct file_header h;
	struct capture_reader *c;
	int r = open_regular(path, &file);

	if (r) {
		strbuf_addf(ret_error, "%s: %s", path, strerror(-r));
		return r;
	}
	if (fread(&h, 1, sizeof(h), file) != sizeof(h))
		memset(&h, 0, sizeof(h));
	r = check_file_header(&h, path, ret_error);
	if (r)
		return r;
	for (uint32_t extra = h.size - (uint32_t)sizeof(h); extra; extra--)
		if (getc(file) == EOF)
			break;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	end_texts(&h.origin);
	c->file = TAKE_PTR(file);
	*ret_header = h.origin;
	*ret_reader = c;
	return 0;
}

int capture_read(struct capture_reader *c, const struct kw_event **ret_event)
{
	const struct kw_kind_info *info;
	struct frame f;
	size_t n = fread(&f, 1, sizeof(f), c->file);

	if (!n && !ferror(c->file))
		return 0;
	if (n != sizeof(f) || f.size < sizeof(struct kw_event) || f.size > sizeof(c->record) ||
	    fread(c->record.bytes, 1, f.size, c->file) != f.size || f.check != check_of(c->record.bytes, f.size) ||
	    sizeof(struct kw_event) + c->record.event.payload_size != f.size ||
	    record_check(&c->record.event, f.size, &info))
		return -EBADMSG;
	*ret_event = &c->record.event;
	return 1;
}

void capture_free(struct capture_reader *c)
{
	if (!c)
		return;
	fclose(c->file);
	free(c);
}
