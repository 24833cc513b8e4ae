/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was parsed must survive being written and parsed again, to the millisecond that is written. */
static void check_moment(const char *text)
{
	AUTO(strbuf) struct strbuf written = STRBUF_INIT;
	int64_t ns, again;

	if (time_parse(text, INT64_C(1795341600000000000), &ns) < 0)
		return;
	time_format(&written, ns);
	/* Years before 1000 and moments at the edges of int64_t have no four-digit or no rounded form. */
	if (ns < -INT64_C(9000000000000000000) || ns > INT64_C(9000000000000000000))
		return;
	if (time_parse(strbuf_str(&written), 0, &again) < 0)
		abort();
	if (ns - again < 0 || ns - again >= NSEC_PER_MSEC)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;
	AUTO_FREE char *text = strndup((const char *)data, size);
	int64_t value;

	if (!text)
		return 0;
	check_moment(text);
	if (time_parse_span(text, &value) == 0) {
		if (value < 0)
			abort();
		span_format(&out, value);
	}
	if (size_parse(text, &value) == 0) {
		if (value < 0)
			abort();
		size_format(&out, value);
	}
	return 0;
}
