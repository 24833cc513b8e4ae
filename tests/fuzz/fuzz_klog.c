/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/klog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t size)
{
	if (!memchr(text, '\0', size))
		abort();
}

/* Lines of one reading, as they come. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = malloc(size + 1);
	struct klog k = { 0 };
	uint64_t seq = 0;
	char *line, *rest = text;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	while ((line = strsep(&rest, "\n")))
		klog_line(&k, line, 4, seq++, 0);
	if (k.count > KLOG_OPEN_MAX)
		abort();
	for (unsigned int i = 0; i < k.count; i++) {
		const struct klog_report *r = &k.open[i];

		check(r->p.sign, sizeof(r->p.sign));
		check(r->p.object, sizeof(r->p.object));
		check(r->p.function, sizeof(r->p.function));
		check(r->p.detail, sizeof(r->p.detail));
		check(r->p.text, sizeof(r->p.text));
		check(r->task.comm, sizeof(r->task.comm));
		if (!r->p.count || r->task.pid < 0 || r->other.pid < 0 || r->p.stuck_ns < -1)
			abort();
	}
	return 0;
}
