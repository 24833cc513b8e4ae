/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/procparse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/timeutil.h"

/* "name value" lines: where a value goes, times a factor.  Several names may add up in one place. */
struct line_field {
	const char *name;
	size_t offset;
	int64_t factor;
};

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* A decimal number at *text; moves past it.  False: none, negative, or out of range. */
static bool take_number(const char **text, int64_t *ret)
{
	char *end;

	while (**text == ' ' || **text == '\t')
		(*text)++;
	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*ret = strtoll(*text, &end, 10);
	*text = end;
	return !errno;
}

static int64_t scaled(int64_t value, int64_t factor)
{
	int64_t product;

	return __builtin_mul_overflow(value, factor, &product) ? INT64_MAX : product;
}

static void add_to(__s64 *sum, int64_t value)
{
	__s64 total;

	if (*sum < 0)
		*sum = value;
	else
		*sum = __builtin_add_overflow(*sum, value, &total) ? INT64_MAX : total;
}

static void parse_lines(const char *text, const struct line_field *fields, size_t count, void *ret)
{
	for (const char *line = text; *line; line = next_line(line)) {
		size_t len = strcspn(line, " \t:\n");

		for (size_t i = 0; i < count; i++) {
			const char *at = line + len + (line[len] == ':');
			int64_t value;

			if (strlen(fields[i].name) != len || strncmp(fields[i].name, line, len) != 0)
				continue;
			if (take_number(&at, &value))
				add_to((__s64 *)((char *)ret + fields[i].offset), scaled(value, fields[i].factor));
		}
	}
}

#define USAGE(member) offsetof(struct kw_usage, member)
#define HOST(member) offsetof(struct kw_host, member)

void psi_parse(const char *text, int64_t *ret_some_ns, int64_t *ret_full_ns)
{
	for (const char *line = text; *line; line = next_line(line)) {
		const char *end = next_line(line), *at = strstr(line, " total=");
		int64_t us;

		if (!at || at >= end)
			continue;
		at += strlen(" total=");
		if (!take_number(&at, &us))
			continue;
		if (!strncmp(line, "some ", 5))
			*ret_some_ns = scaled(us, NSEC_PER_USEC);
		else if (!strncmp(line, "full ", 5))
			*ret_full_ns = scaled(us, NSEC_PER_USEC);
	}
}

void cpu_stat_v1_parse(const char *text, struct kw_usage *ret)
{
	static const struct line_field fields[] = {
		{ "nr_periods", USAGE(cpu_periods), 1 },
		{ "nr_throttled", USAGE(cpu_throttled_periods), 1 },
		{ "throttled_time", USAGE(cpu_throttled_ns), 1 },
	};

	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

void memory_stat_v1_parse(const char *text, struct kw_usage *ret)
{
	static const struct line_field fields[] = {
		{ "total_rss", USAGE(memory_anon_bytes), 1 },
		{ "total_cache", USAGE(memory_file_bytes), 1 },
		{ "total_pgmajfault", USAGE(major_faults), 1 },
		{ "total_workingset_refault", USAGE(refaults), 1 }, /* before 5.9 */
		{ "total_workingset_refault_anon", USAGE(refaults), 1 },
		{ "total_workingset_refault_file", USAGE(refaults), 1 },
		{ "total_workingset_refault_anon", USAGE(refaults_anon), 1 },
		{ "total_pgfault", USAGE(faults), 1 },
		{ "total_dirty", USAGE(memory_dirty_bytes), 1 },
		{ "total_swap", USAGE(memory_swap_bytes), 1 },
	};

	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

void cpu_stat_v2_parse(const char *text, struct kw_usage *ret)
{
	static const struct line_field fields[] = {
		{ "usage_usec", USAGE(cpu_ns), NSEC_PER_USEC },
		{ "user_usec", USAGE(cpu_user_ns), NSEC_PER_USEC },
		{ "system_usec", USAGE(cpu_system_ns), NSEC_PER_USEC },
		{ "nr_periods", USAGE(cpu_periods), 1 },
		{ "nr_throttled", USAGE(cpu_throttled_periods), 1 },
		{ "throttled_usec", USAGE(cpu_throttled_ns), NSEC_PER_USEC },
	};

	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

void cpu_max_parse(const char *text, struct kw_usage *ret)
{
	int64_t quota, period;
	bool limited = take_number(&text, &quota);

	if (!limited) {
		if (strncmp(text, "max", 3) != 0)
			return;
		text += 3;
	}
	if (!take_number(&text, &period))
		return;
	if (limited)
		ret->cpu_quota_ns = scaled(quota, NSEC_PER_USEC);
	ret->cpu_period_ns = scaled(period, NSEC_PER_USEC);
}

void memory_stat_v2_parse(const char *text, struct kw_usage *ret)
{
	static const struct line_field fields[] = {
		{ "anon", USAGE(memory_anon_bytes), 1 },
		{ "file", USAGE(memory_file_bytes), 1 },
		{ "pgmajfault", USAGE(major_faults), 1 },
		{ "workingset_refault", USAGE(refaults), 1 }, /* before 5.9 */
		{ "workingset_refault_anon", USAGE(refaults), 1 },
		{ "workingset_refault_file", USAGE(refaults), 1 },
		{ "workingset_refault_anon", USAGE(refaults_anon), 1 },
		{ "pgfault", USAGE(faults), 1 },
		{ "sock", USAGE(memory_socket_bytes), 1 },
		{ "kernel", USAGE(memory_kernel_bytes), 1 }, /* since 5.18 */
		{ "file_dirty", USAGE(memory_dirty_bytes), 1 },
	};

	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

void memory_events_parse(const char *text, struct kw_usage *ret)
{
	static const struct line_field fields[] = {
		{ "high", USAGE(memory_limit_hits), 1 },
		{ "max", USAGE(memory_limit_hits), 1 },
		{ "oom_kill", USAGE(memory_oom_kills), 1 },
	};

	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
void io_stat_v2_parse(const char *text, struct kw_usage *ret)
{
	static const struct line_field fields[] = {
		{ "rbytes", USAGE(io_read_bytes), 1 },
		{ "wbytes", USAGE(io_write_bytes), 1 },
		{ "rios", USAGE(io_reads), 1 },
		{ "wios", USAGE(io_writes), 1 },
	};

	while (*text) {
		size_t len = strcspn(text, "= \n");
		const char *at = text + len + 1;
		int64_t value;

		if (text[len] != '=') {
			text += len + (text[len] != '\0');
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (strlen(fields[i].name) == len && !strncmp(fields[i].name, text, len) &&
			    take_number(&at, &value))
				add_to((__s64 *)((char *)ret + fields[i].offset), value);
		text += len + 1;
	}
}

bool blkio_parse(const char *text, __s64 *ret_reads, __s64 *ret_writes)
{
	bool any = false;

	for (const char *line = text; *line; line = next_line(line)) {
		const char *op = line + strcspn(line, " \n");
		__s64 *sum = NULL;
		int64_t value;

		if (!strncmp(op, " Read ", 6))
			sum = ret_reads;
		else if (!strncmp(op, " Write ", 7))
			sum = ret_writes;
		if (!sum)
			continue;
		op += sum == ret_reads ? 6 : 7;
		if (!take_number(&op, &value))
			continue;
		add_to(sum, value);
		any = true;
	}
	return any;
}

/* ---- network ------------------------------------------------------------------------------------ */

struct net_counter {
	const char *group, *name;
	size_t offset;
};

#define NETSTAT(member) offsetof(struct kw_netstat, member)

static const struct net_counter net_counters[] = {
	{ "Tcp", "OutSegs", NETSTAT(tcp_out_segs) },
	{ "Tcp", "InSegs", NETSTAT(tcp_in_segs) },
	{ "Tcp", "RetransSegs", NETSTAT(tcp_retransmits) },
	{ "TcpExt", "TCPTimeouts", NETSTAT(tcp_timeouts) },
	{ "TcpExt", "ListenOverflows", NETSTAT(listen_overflows) },
	{ "TcpExt", "ListenDrops", NETSTAT(listen_drops) },
	{ "Tcp", "OutRsts", NETSTAT(tcp_resets_sent) },
	{ "Tcp", "AttemptFails", NETSTAT(tcp_attempt_fails) },
	{ "Udp", "RcvbufErrors", NETSTAT(udp_rcvbuf_errors) },
	{ "Udp", "NoPorts", NETSTAT(udp_no_ports) },
	{ "Ip", "OutNoRoutes", NETSTAT(ip_out_no_routes) },
	{ "Tcp", "ActiveOpens", NETSTAT(tcp_active_opens) },
	{ "Tcp", "PassiveOpens", NETSTAT(tcp_passive_opens) },
	{ "TcpExt", "TCPReqQFullDrop", NETSTAT(request_queue_drops) },
	{ "TcpExt", "TCPReqQFullDoCookies", NETSTAT(request_queue_cookies) },
	{ "TcpExt", "TCPWinProbe", NETSTAT(zero_window_probes) },
	{ "Udp", "InDatagrams", NETSTAT(udp_in_datagrams) },
	{ "Udp", "OutDatagrams", NETSTAT(udp_out_datagrams) },
	{ "TcpExt", "TCPMemoryPressures", NETSTAT(tcp_memory_pressures) },
	{ "TcpExt", "TCPAbortOnMemory", NETSTAT(tcp_memory_aborts) },
};

static bool same(const char *text, size_t len, const char *name)
{
	return strlen(name) == len && !strncmp(text, name, len);
}

static void set_counter(const char *group, size_t group_len, const char *name, size_t name_len, int64_t value,
			struct kw_netstat *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(net_counters); i++)
		if (same(group, group_len, net_counters[i].group) && same(name, name_len, net_counters[i].name))
			*(__s64 *)((char *)ret + net_counters[i].offset) = value;
}

/* names and values stand behind the colons of their lines.  Values may be negative (MaxConn): those are passed over. */
static void parse_pair(const char *group, size_t group_len, const char *names, const char *values,
		       struct kw_netstat *ret)
{
	for (;;) {
		size_t name_len, value_len;
		int64_t value;

		names += strspn(names, " ");
		values += strspn(values, " ");
		name_len = strcspn(names, " \n");
		value_len = strcspn(values, " \n");
		if (!name_len || !value_len)
			return;
		if (isdigit((unsigned char)*values)) {
			const char *at = values;

			if (take_number(&at, &value))
				set_counter(group, group_len, names, name_len, value, ret);
		}
		names += name_len;
		values += value_len;
	}
}

void net_counters_parse(const char *text, struct kw_netstat *ret)
{
	while (*text) {
		const char *second = next_line(text);
		size_t group_len = strcspn(text, ":\n");

		if (text[group_len] == ':' && !strncmp(text, second, group_len + 1)) {
			parse_pair(text, group_len, text + group_len + 1, second + group_len + 1, ret);
			second = next_line(second);
		}
		text = second;
	}
}

/* The word with that number in a line, from 0; NULL when the line ends before. */
static const char *word_at(const char *line, int number)
{
	for (line += strspn(line, " "); *line && *line != '\n'; line += strspn(line, " ")) {
		if (number-- == 0)
			return line;
		line += strcspn(line, " \n");
	}
	return NULL;
}

static int column_of(const char *text, const char *column)
{
	const char *word;

	for (int i = 0; (word = word_at(text, i)); i++)
		if (same(word, strcspn(word, " \n"), column))
			return i;
	return -1;
}

static bool stat_value(const char *line, int column, int64_t *ret)
{
	const char *word = word_at(line, column);
	unsigned long long value;

	if (!word || sscanf(word, "%16llx", &value) != 1)
		return false;
	*ret = (int64_t)(value & INT64_MAX);
	return true;
}

int64_t net_stat_sum(const char *text, const char *column)
{
	int at = column_of(text, column);
	int64_t sum = -1, value;

	for (const char *line = next_line(text); at >= 0 && *line; line = next_line(line))
		if (stat_value(line, at, &value))
			sum = (int64_t)(((uint64_t)MAX(sum, 0) + (uint64_t)value) & INT64_MAX);
	return sum;
}

int64_t net_stat_first(const char *text, const char *column)
{
	int at = column_of(text, column);
	int64_t value;

	return at >= 0 && stat_value(next_line(text), at, &value) ? value : -1;
}

/* "   |-- 10.0.0.1" and, in a line of its own, what is known of it: "      /32 host LOCAL". */
bool fib_trie_parse(const char *text, uint8_t ret_address[16])
{
	unsigned char last[4] = { 127 };

	for (const char *line = text; *line; line = next_line(line)) {
		const char *at = line + strspn(line, " ");
		char dotted[INET_ADDRSTRLEN];

		if (sscanf(at, "|-- %15[0-9.]", dotted) == 1) {
			if (inet_pton(AF_INET, dotted, last) != 1)
				last[0] = 127;
		} else if (!strncmp(at, "/32 host LOCAL", 14) && last[0] != 127) {
			memset(ret_address, 0, 10);
			memset(ret_address + 10, 0xff, 2);
			memcpy(ret_address + 12, last, sizeof(last));
			return true;
		}
	}
	return false;
}

/* ---- host --------------------------------------------------------------------------------------- */

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; guest is part of user. */
static void cpu_line_parse(const char *at, int64_t tick_ns, struct kw_host *ret)
{
	static const size_t columns[] = {
		HOST(user_ns), HOST(user_ns),    HOST(system_ns), HOST(idle_ns), HOST(iowait_ns),
		HOST(irq_ns),  HOST(softirq_ns), HOST(steal_ns),
	};
	int64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(columns) && take_number(&at, &value); i++)
		add_to((__s64 *)((char *)ret + columns[i]), scaled(value, tick_ns));
}

void proc_stat_parse(const char *text, int64_t ticks_per_s, struct kw_host *ret)
{
	static const struct line_field fields[] = {
		{ "ctxt", HOST(context_switches), 1 },
		{ "processes", HOST(forks), 1 },
		{ "procs_running", HOST(running), 1 },
		{ "procs_blocked", HOST(blocked), 1 },
	};
	int64_t tick_ns = NSEC_PER_SEC / (ticks_per_s > 0 ? ticks_per_s : 100);

	for (const char *line = text; *line; line = next_line(line)) {
		if (!strncmp(line, "cpu ", 4))
			cpu_line_parse(line + 4, tick_ns, ret);
		else if (!strncmp(line, "cpu", 3) && isdigit((unsigned char)line[3]))
			add_to(&ret->cpus, 1);
	}
	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

void vmstat_parse(const char *text, struct kw_host *ret)
{
	static const struct line_field fields[] = {
		{ "pgscan_direct", HOST(reclaim_direct_pages), 1 },
		{ "oom_kill", HOST(oom_kills), 1 },
		{ "pswpin", HOST(swap_in_pages), 1 },
		{ "pswpout", HOST(swap_out_pages), 1 },
	};

	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

void meminfo_parse(const char *text, struct kw_host *ret)
{
	static const struct line_field fields[] = {
		{ "MemAvailable", HOST(memory_available_bytes), 1024 },
		{ "MemTotal", HOST(memory_total_bytes), 1024 },
		{ "Dirty", HOST(dirty_bytes), 1024 },
		{ "Writeback", HOST(writeback_bytes), 1024 },
	};

	parse_lines(text, fields, ARRAY_SIZE(fields), ret);
}

/* "#subsys_name hierarchy num_cgroups enabled" */
bool proc_cgroups_parse(const char *text, const char *controller, unsigned int *ret_hierarchy, int64_t *ret_count)
{
	size_t len = strlen(controller);

	for (const char *line = text; *line; line = next_line(line)) {
		int64_t hierarchy, count;
		const char *at = line + len;

		if (strncmp(line, controller, len) || (*at != '\t' && *at != ' '))
			continue;
		if (!take_number(&at, &hierarchy) || !take_number(&at, &count) || hierarchy > UINT8_MAX)
			return false;
		*ret_hierarchy = (unsigned int)hierarchy;
		*ret_count = count;
		return true;
	}
	return false;
}

void softnet_parse(const char *text, struct kw_host *ret)
{
	for (const char *line = text; *line; line = next_line(line)) {
		uint32_t processed, dropped, squeezed;

		if (sscanf(line, "%8" SCNx32 " %8" SCNx32 " %8" SCNx32, &processed, &dropped, &squeezed) != 3)
			continue;
		add_to(&ret->softnet_drops, dropped);
		add_to(&ret->softnet_squeezes, squeezed);
	}
}

/* ---- kernel log --------------------------------------------------------------------------------- */

int kmsg_parse(const char *record, size_t len, struct kw_log *ret, uint64_t *ret_ts_us)
{
	int64_t prefix, seq, ts_us;
	const char *at = record, *text, *end = memchr(record, '\0', len);
	size_t text_len;

	end = end ? end : record + len;
	text = memchr(record, ';', end - record);
	if (!text || !take_number(&at, &prefix) || *at++ != ',' || !take_number(&at, &seq) || *at++ != ',' ||
	    !take_number(&at, &ts_us) || at > text)
		return -EINVAL;
	text++;
	text_len = strcspn(text, "\n");
	if (text_len > (size_t)(end - text))
		text_len = end - text;
	*ret = (struct kw_log){ .priority = prefix & 7, .facility = (uint32_t)(prefix >> 3), .seq = seq };
	memcpy(ret->text, text, MIN(text_len, sizeof(ret->text) - 1));
	*ret_ts_us = ts_us;
	return 0;
}

int64_t counter_delta(int64_t now, int64_t before)
{
	if (now < 0 || before < 0)
		return -1;
	return now > before ? now - before : 0;
}

bool cpulist_has(const char *list, unsigned int cpu)
{
	while (*list >= '0' && *list <= '9') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (cpu >= first && cpu <= last)
			return true;
		list = end + (*end == ',');
	}
	return false;
}
