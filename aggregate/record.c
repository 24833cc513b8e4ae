/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/record.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

int record_check(const struct kw_event *event, size_t available, const struct kw_kind_info **ret_info)
{
	const struct kw_kind_info *info;

	if (available < sizeof(*event))
		return -EBADMSG;
	info = kw_kind_by_number(event->kind);
	if (!info || event->frames || event->peer_frames || event->payload_size > available - sizeof(*event))
		return -EBADMSG;
	if (event->payload_size > info->payload_size || event->payload_size < kw_payload_min(info))
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

int record_take(const struct kw_event *event, size_t available, union record *ret_record,
		const struct kw_kind_info **ret_info)
{
	int r = record_check(event, available, ret_info);

	if (r)
		return r;
	memcpy(ret_record->bytes, event, sizeof(*event) + event->payload_size);
	memset(ret_record->bytes + sizeof(*event) + event->payload_size, 0,
	       (*ret_info)->payload_size - event->payload_size);
	ret_record->event.payload_size = (__u16)(*ret_info)->payload_size;
	repair(ret_record, *ret_info);
	return 0;
}
