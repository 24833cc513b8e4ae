/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What one source of metadata says about the container of subject.cg. Later records of a source take the place of
 * earlier ones, field by field; which source is believed is decided by rank (schema/sources.def). Rows stay in the
 * store: they are the history of a container's names.
 */
#ifndef KWHY_SCHEMA_EV_IDENTITY_H
#define KWHY_SCHEMA_EV_IDENTITY_H

#include "schema/event.h"

struct kw_identity {
	__u32 source;
	__u32 cut;
	char fields[4088];
};

_Static_assert(sizeof(struct kw_identity) == 4096, "kw_identity");

/* F(member, type, unit, meaning) */
#define KW_FIELDS_identity(F) \
	F(source, U32, NONE, "number of the source in schema/sources.def") \
	F(cut, U32, COUNT, "labels, annotations and long texts that were cut or left out for their size") \
	F(fields, STR, NONE, "JSON object: fields of aggregate/facts.def and their values")

#endif
