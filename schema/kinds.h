/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each kind of event is called and what its payload holds.  Printing,
 * JSON, SQL views and pages follow from these tables.
 */
#ifndef KWHY_SCHEMA_KINDS_H
#define KWHY_SCHEMA_KINDS_H

#include <stddef.h>
#include <stdint.h>

#include "schema/payloads.h"

enum kw_kind {
#define KW_EVENT(number, name, class, title) KW_KIND_##name = (number),
#include "schema/events.def"
#undef KW_EVENT
};

enum kw_class { KW_CLASS_CONTROL, KW_CLASS_CONTEXT, KW_CLASS_SAMPLE };

enum kw_field_type {
	KW_TYPE_U16,
	KW_TYPE_U32,
	KW_TYPE_U64,
	KW_TYPE_S32,
	KW_TYPE_S64,
	KW_TYPE_STR,  /* char[size], NUL-terminated unless full */
	KW_TYPE_CG,   /* struct kw_cg; the store replaces v2 by the container number and v1 by 0 */
	KW_TYPE_ADDR, /* 16 bytes, IPv6 or IPv4-mapped */
};

enum kw_unit { KW_UNIT_NONE, KW_UNIT_NS, KW_UNIT_BYTES, KW_UNIT_COUNT, KW_UNIT_CONTAINER };

struct kw_field {
	const char *name;
	enum kw_field_type type;
	enum kw_unit unit;
	uint16_t offset; /* in the payload */
	uint16_t size;   /* bytes */
	const char *text;
};

struct kw_kind_info {
	uint16_t number;
	enum kw_class class;
	const char *name;
	const char *title;
	size_t payload_size;            /* sizeof the struct; a control record may leave out the end of a last text */
	const struct kw_field *fields;  /* ends with name NULL; covers the payload but for _pad members */
};

/* NULL when there is no such kind. */
const struct kw_kind_info *kw_kind_by_number(unsigned int number);
const struct kw_kind_info *kw_kind_by_name(const char *name);
/* A record of that kind has at least this much: what stands before a text at its end. */
size_t kw_payload_min(const struct kw_kind_info *info);
/* In numeric order; NULL past the end. */
const struct kw_kind_info *kw_kind_at(size_t index);

const char *kw_wait_reason_name(unsigned int reason); /* "cpu", "throttled", "block", "lock", "reclaim", "frozen",
							 "fs_frozen", "other", "stolen"; "unknown" */
const char *kw_resource_name(unsigned int resource);  /* "cpu", "block", "lock", "memory", "filesystem"; "unknown" */
const char *kw_sink_name(unsigned int sink);          /* "container", "idle", "unknown", "device", "irq", "steal" */
const char *kw_source_name(unsigned int source);      /* of schema/sources.def; "" when there is no such source */

#endif
