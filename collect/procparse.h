/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure parsers of what the kernel prints below /proc, in cgroup files and in
 * /dev/kmsg.  Input is NUL-terminated and may be cut off or anything else.
 * Counters that are not in the text stay as they were (callers begin with -1).
 */
#ifndef KWHY_COLLECT_PROCPARSE_H
#define KWHY_COLLECT_PROCPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/ev_host.h"
#include "schema/ev_log.h"
#include "schema/ev_netstat.h"
#include "schema/ev_usage.h"

/* total= of the "some" and "full" lines of a pressure file, in ns. */
void psi_parse(const char *text, int64_t *ret_some_ns, int64_t *ret_full_ns);

/* v1: cpu.stat, memory.stat (hierarchical values), memory.oom_control. */
void cpu_stat_v1_parse(const char *text, struct kw_usage *ret);
void memory_stat_v1_parse(const char *text, struct kw_usage *ret);
/* v2 */
void cpu_stat_v2_parse(const char *text, struct kw_usage *ret);
void cpu_max_parse(const char *text, struct kw_usage *ret); /* "max 100000": quota stays */
void memory_stat_v2_parse(const char *text, struct kw_usage *ret);
void memory_events_parse(const char *text, struct kw_usage *ret);
void io_stat_v2_parse(const char *text, struct kw_usage *ret); /* sums over devices */
/* blkio.throttle.io_service_bytes, io_serviced: sums of the Read and Write lines over devices.  False: no such line. */
bool blkio_parse(const char *text, __s64 *ret_reads, __s64 *ret_writes);

/* /proc/net/snmp and netstat: pairs of a line of names and a line of values. */
void net_counters_parse(const char *text, struct kw_netstat *ret);
/* /proc/net/stat/NAME: a line of column names, then one of hexadecimal values a CPU: their sum, the first.  -1: none. */
int64_t net_stat_sum(const char *text, const char *column);
int64_t net_stat_first(const char *text, const char *column);
/* /proc/net/fib_trie: the first local IPv4 address that is not loopback, v4 mapped.  False: none. */
bool fib_trie_parse(const char *text, uint8_t ret_address[16]);

/* /proc/stat: totals since boot; ticks_per_s is sysconf(_SC_CLK_TCK). */
void proc_stat_parse(const char *text, int64_t ticks_per_s, struct kw_host *ret);
void vmstat_parse(const char *text, struct kw_host *ret);
void meminfo_parse(const char *text, struct kw_host *ret);
/* /proc/cgroups: hierarchy and number of cgroups, removed ones that linger included, of a controller. */
bool proc_cgroups_parse(const char *text, const char *controller, unsigned int *ret_hierarchy, int64_t *ret_count);
/* /proc/net/softnet_stat: sums over CPUs. */
void softnet_parse(const char *text, struct kw_host *ret);

/*
 * One record of /dev/kmsg ("6,1234,5678901,-;text\n KEY=value\n..."; Documentation/ABI/testing/dev-kmsg).  The text is
 * cut at the first newline and to the payload's size.  0 or -EINVAL.
 */
int kmsg_parse(const char *record, size_t len, struct kw_log *ret, uint64_t *ret_ts_us);

/* Difference of two readings of a counter: -1 when either is missing, 0 when it went back. */
int64_t counter_delta(int64_t now, int64_t before);

/* Whether a list as in /sys/devices/system/cpu/online ("0-3,8") names a CPU. */
bool cpulist_has(const char *list, unsigned int cpu);

#endif
