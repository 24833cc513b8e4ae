/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/procparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -1 or a value: a counter is never anything else. */
static void check(const void *values, size_t size)
{
	for (size_t at = 0; at + sizeof(__s64) <= size; at += sizeof(__s64)) {
		__s64 value;

		memcpy(&value, (const char *)values + at, sizeof(value));
		if (value < -1)
			abort();
	}
}

static void try_cgroup(const char *text)
{
	struct kw_usage u;
	int64_t some = -1, full = -1;

	memset(&u, 0xff, sizeof(u));
	cpu_stat_v1_parse(text, &u);
	memory_stat_v1_parse(text, &u);
	cpu_stat_v2_parse(text, &u);
	cpu_max_parse(text, &u);
	memory_stat_v2_parse(text, &u);
	memory_events_parse(text, &u);
	io_stat_v2_parse(text, &u);
	blkio_parse(text, &u.io_reads, &u.io_writes);
	check(&u, sizeof(u));
	psi_parse(text, &some, &full);
	if (some < -1 || full < -1)
		abort();
}

static void try_host(const char *text)
{
	struct kw_netstat n;
	struct kw_host h;

	memset(&n, 0xff, sizeof(n));
	memset(&h, 0xff, sizeof(h));
	net_counters_parse(text, &n);
	fib_trie_parse(text, n.address);
	proc_stat_parse(text, 100, &h);
	vmstat_parse(text, &h);
	meminfo_parse(text, &h);
	softnet_parse(text, &h);
	check(&n, sizeof(n));
	check(&h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = malloc(size + 1);
	struct kw_log log;
	uint64_t ts_us;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	try_cgroup(text);
	try_host(text);
	if (kmsg_parse(text, size, &log, &ts_us) == 0 &&
	    (log.priority > 7 || !memchr(log.text, '\0', sizeof(log.text)) || strchr(log.text, '\n')))
		abort();
	return 0;
}
