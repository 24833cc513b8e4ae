/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/event_kinds.h"

#include "schema/kinds.h"

void event_kinds(const char *ret_names[EVENT_KINDS_MAX])
{
	const struct kw_kind_info *kind;
	size_t n = 0;

	for (size_t i = 0; (kind = kw_kind_at(i)) && n < EVENT_KINDS_MAX - 1; i++)
		if (kind->class == KW_CLASS_CONTEXT)
			ret_names[n++] = kind->name;
	ret_names[n] = NULL;
}
