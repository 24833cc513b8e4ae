/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/record.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* Fields are only ever added at the end of a payload: one of an older capture may stop before any of them. */
static bool is_older(const struct kw_kind_info *info, size_t payload_size)
{
	for (const struct kw_field *f = info->fields; f->name; f++)
		if (f->offset == payload_size)
			return payload_size > 0;
	return false;
}

static bool size_fits(const struct kw_event *event, const struct kw_kind_info *info)
{
	if (event->payload_size > info->payload_size)
		return false;
	return event->payload_size >= kw_payload_min(info) || is_older(info, event->payload_size);
}

int record_check(const struct kw_event *event, size_t available, const struct kw_kind_info **ret_info)
{
	const struct kw_kind_info *info;

	if (available < sizeof(*event))
		return -EBADMSG;
	info = kw_kind_by_number(event->kind);
	if (!info || event->frames || event->peer_frames || event->payload_size > available - sizeof(*event))
		return -EBADMSG;
	if (!size_fits(event, info))
		return -EBADMSG;
	*ret_info = info;
	return 0;
}

static void repair_text(char *text, size_t size)
{
	size_t len = strnlen(text, size);

	memset(text + len, 0, size - len);
	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t n = utf8_decode(text + i, len - i, &code);

		if (!n)
			text[i] = '?';
		i += n ? n : 1;
	}
}

static void repair(union record *record, const struct kw_kind_info *info)
{
	repair_text(record->event.subject.comm, KW_COMM_LEN);
	repair_text(record->event.peer.comm, KW_COMM_LEN);
	for (const struct kw_field *f = info->fields; f->name; f++)
		if (f->type == KW_TYPE_STR)
			repair_text((char *)(record->bytes + sizeof(struct kw_event) + f->offset), f->size);
}

/* What an older capture does not have is 0, or "not available" where the field can say so. */
static void complete(union record *record, const struct kw_kind_info *info, size_t had)
{
	static const __s64 missing = -1;
	unsigned char *payload = record->bytes + sizeof(struct kw_event);

	memset(payload + had, 0, info->payload_size - had);
	for (const struct kw_field *f = info->fields; f->name; f++)
		if (f->type == KW_TYPE_S64 && f->offset >= had)
			memcpy(payload + f->offset, &missing, sizeof(missing));
}

int record_take(const struct kw_event *event, size_t available, union record *ret_record,
		const struct kw_kind_info **ret_info)
{
	int r = record_check(event, available, ret_info);

	if (r)
		return r;
	memcpy(ret_record->bytes, event, sizeof(*event) + event->payload_size);
	complete(ret_record, *ret_info, event->payload_size);
	ret_record->event.payload_size = (__u16)(*ret_info)->payload_size;
	repair(ret_record, *ret_info);
	return 0;
}
