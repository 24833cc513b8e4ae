/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a message of a container runtime: read within bounds, and what is found of it is JSON. */
#include <stdlib.h>
#include <string.h>

#include "aggregate/cri.h"
#include "aggregate/facts.h"
#include "aggregate/pb.h"
#include "schema/payloads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char id[] = "44887ea771305a1739ca2d25c4454475146f3cb154190d287cdf7799dbfa9c81";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char said[sizeof(((struct kw_identity *)0)->fields)], sandbox[128] = "";
	struct pb p = pb_over(data, size);
	json_t *found = json_object();
	struct pb_field f;
	unsigned int cut;

	while (pb_next(&p, &f))
		if (f.is_bytes && (f.message.at < data || f.message.end > data + size))
			abort();
	cri_container(data, size, id, found, sandbox);
	cri_sandbox(data, size, sandbox, found);
	cri_ended(data, size, found);
	if (facts_say(found, said, sizeof(said), &cut) >= sizeof(said))
		abort();
	json_decref(found);
	return 0;
}
