/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "collect/procparse.h"

static struct kw_usage no_usage(void)
{
	struct kw_usage u;

	memset(&u, 0xff, sizeof(u));
	return u;
}

static void psi_totals_become_ns(void **state)
{
	int64_t some = -1, full = -1;

	(void)state;
	psi_parse("some avg10=1.76 avg60=5.18 avg300=6.19 total=101925565\n"
		  "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", &some, &full);
	assert_int_equal(some, 101925565000);
	assert_int_equal(full, 7000);
}

/* cpu.pressure of the host has no "full" line before 5.13; a total of the next line must not stand in. */
static void psi_line_without_total_is_left(void **state)
{
	int64_t some = -1, full = -1;

	(void)state;
	psi_parse("some avg10=1.76\nfull avg10=0.00 total=7\n", &some, &full);
	assert_int_equal(some, -1);
	assert_int_equal(full, 7000);
	full = -1;
	psi_parse("some total=3", &some, &full);
	assert_int_equal(full, -1);
}

static void cpu_stat_of_both_versions(void **state)
{
	struct kw_usage v1 = no_usage(), v2 = no_usage();

	(void)state;
	cpu_stat_v1_parse("nr_periods 10\nnr_throttled 4\nthrottled_time 123456789\nnr_bursts 9\n", &v1);
	assert_int_equal(v1.cpu_periods, 10);
	assert_int_equal(v1.cpu_throttled_periods, 4);
	assert_int_equal(v1.cpu_throttled_ns, 123456789);
	assert_int_equal(v1.cpu_ns, -1);
	cpu_stat_v2_parse("usage_usec 5\nuser_usec 3\nsystem_usec 2\ncore_sched.force_idle_usec 8\n", &v2);
	assert_int_equal(v2.cpu_ns, 5000);
	assert_int_equal(v2.cpu_user_ns, 3000);
	assert_int_equal(v2.cpu_system_ns, 2000);
	assert_int_equal(v2.cpu_throttled_ns, -1);
}

static void cpu_max_with_and_without_quota(void **state)
{
	struct kw_usage a = no_usage(), b = no_usage(), c = no_usage();

	(void)state;
	cpu_max_parse("25000 100000\n", &a);
	assert_int_equal(a.cpu_quota_ns, 25000000);
	assert_int_equal(a.cpu_period_ns, 100000000);
	cpu_max_parse("max 50000\n", &b);
	assert_int_equal(b.cpu_quota_ns, -1);
	assert_int_equal(b.cpu_period_ns, 50000000);
	cpu_max_parse("25000\n", &c);
	assert_int_equal(c.cpu_quota_ns, -1);
}

/* The local and the hierarchical value have names of which one begins with the other. */
static void memory_stat_v1_takes_the_hierarchical_values(void **state)
{
	struct kw_usage u = no_usage();

	(void)state;
	memory_stat_v1_parse("cache 1\nrss 2\npgmajfault 3\ntotal_cache 10\ntotal_rss 20\ntotal_rss_huge 5\n"
			     "total_pgmajfault 30\ntotal_workingset_refault_anon 4\ntotal_workingset_refault_file 6\n"
			     "pgfault 1\ntotal_pgfault 50\ntotal_dirty 60\ntotal_swap 70\ntotal_swapcached 8\n",
			     &u);
	assert_int_equal(u.memory_file_bytes, 10);
	assert_int_equal(u.memory_anon_bytes, 20);
	assert_int_equal(u.major_faults, 30);
	assert_int_equal(u.refaults, 10);
	assert_int_equal(u.refaults_anon, 4);
	assert_int_equal(u.faults, 50);
	assert_int_equal(u.memory_dirty_bytes, 60);
	assert_int_equal(u.memory_swap_bytes, 70);
}

static void memory_v2(void **state)
{
	struct kw_usage u = no_usage();

	(void)state;
	memory_stat_v2_parse("anon 7\nanon_thp 1\nfile 8\nkernel 40\nkernel_stack 5\nfile_mapped 2\nfile_dirty 60\nsock 70\n"
			     "pgfault 11\npgmajfault 9\nworkingset_refault_anon 2\nworkingset_refault_file 3\n",
			     &u);
	assert_int_equal(u.memory_anon_bytes, 7);
	assert_int_equal(u.memory_file_bytes, 8);
	assert_int_equal(u.major_faults, 9);
	assert_int_equal(u.refaults, 5);
	assert_int_equal(u.refaults_anon, 2);
	assert_int_equal(u.faults, 11);
	assert_int_equal(u.memory_kernel_bytes, 40);
	assert_int_equal(u.memory_socket_bytes, 70);
	assert_int_equal(u.memory_dirty_bytes, 60);
	memory_events_parse("low 1\nhigh 20\nmax 300\noom 4\noom_kill 5\noom_group_kill 6\n", &u);
	assert_int_equal(u.memory_limit_hits, 320);
	assert_int_equal(u.memory_oom_kills, 5);
}

static void cgroups_of_a_controller_are_counted(void **state)
{
	static const char text[] = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t6\t1\nmemory_x\t9\t1\t1\n"
				   "memory\t4\t30\t1\nrdma\tx\n";
	unsigned int hierarchy = 0;
	int64_t count = 0;

	(void)state;
	assert_true(proc_cgroups_parse(text, "memory", &hierarchy, &count));
	assert_int_equal(hierarchy, 4);
	assert_int_equal(count, 30);
	assert_false(proc_cgroups_parse(text, "rdma", &hierarchy, &count));
	assert_false(proc_cgroups_parse(text, "pids", &hierarchy, &count));
}

static void io_sums_over_devices(void **state)
{
	struct kw_usage u = no_usage();
	__s64 reads = -1, writes = -1;

	(void)state;
	io_stat_v2_parse("8:0 rbytes=1 wbytes=20 rios=300 wios=4000 dbytes=5 dios=6\n"
			 "8:16 rbytes=2 wbytes=30 rios=400 wios=5000 dbytes=5 dios=6\n253:0 \n", &u);
	assert_int_equal(u.io_read_bytes, 3);
	assert_int_equal(u.io_write_bytes, 50);
	assert_int_equal(u.io_reads, 700);
	assert_int_equal(u.io_writes, 9000);
	assert_true(blkio_parse("8:0 Read 5\n8:0 Write 6\n8:0 Sync 11\n8:0 Total 11\n8:16 Read 7\nTotal 18\n", &reads,
				&writes));
	assert_int_equal(reads, 12);
	assert_int_equal(writes, 6);
	reads = writes = -1;
	assert_false(blkio_parse("Total 0\n", &reads, &writes));
	assert_int_equal(reads, -1);
}

static void net_counters_by_name_not_by_column(void **state)
{
	struct kw_netstat n;

	(void)state;
	memset(&n, 0xff, sizeof(n));
	net_counters_parse("Ip: Forwarding OutNoRoutes\nIp: 2 3\n"
			   "Tcp: MaxConn InSegs OutSegs RetransSegs OutRsts AttemptFails\nTcp: -1 10 20 30 40 50\n"
			   "UdpLite: NoPorts\nUdpLite: 99\nUdp: NoPorts RcvbufErrors\nUdp: 7 8\n", &n);
	assert_int_equal(n.ip_out_no_routes, 3);
	assert_int_equal(n.tcp_in_segs, 10);
	assert_int_equal(n.tcp_out_segs, 20);
	assert_int_equal(n.tcp_retransmits, 30);
	assert_int_equal(n.tcp_resets_sent, 40);
	assert_int_equal(n.tcp_attempt_fails, 50);
	assert_int_equal(n.udp_no_ports, 7);
	assert_int_equal(n.udp_rcvbuf_errors, 8);
	assert_int_equal(n.listen_drops, -1);
	net_counters_parse(
		"TcpExt: ListenOverflows ListenDrops TCPTimeouts\nTcpExt: 1 2 3\nIpExt: OutNoRoutes\nIpExt: 77\n", &n);
	assert_int_equal(n.listen_overflows, 1);
	assert_int_equal(n.listen_drops, 2);
	assert_int_equal(n.tcp_timeouts, 3);
	assert_int_equal(n.ip_out_no_routes, 3);
}

/* From a Debian 6.18 with two CPUs, values changed. */
static void net_stat_columns(void **state)
{
	static const char text[] =
		"entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error\n"
		"00000211  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 0000000a 00000001 00000000\n"
		"00000211  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000010 00000002 00000000\n";

	(void)state;
	assert_int_equal(net_stat_sum(text, "drop"), 26);
	assert_int_equal(net_stat_sum(text, "early_drop"), 3);
	assert_int_equal(net_stat_first(text, "entries"), 0x211);
	assert_int_equal(net_stat_sum(text, "table_fulls"), -1);
	assert_int_equal(net_stat_first(text, "table_fulls"), -1);
	assert_int_equal(net_stat_sum("entries drop\n", "drop"), -1);
	assert_int_equal(net_stat_sum("entries drop\n0001", "drop"), -1);
	assert_int_equal(net_stat_sum("entries drop\n0001 zz\n0001 2\n", "drop"), 2);
	assert_int_equal(net_stat_first("", "entries"), -1);
}

static void first_address_of_a_trie(void **state)
{
	static const char text[] = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n"
				   "     |-- 10.1.2.0\n        /24 link UNICAST\n     |-- 10.1.2.3\n        /32 host LOCAL\n"
				   "     |-- 10.9.9.9\n        /32 host LOCAL\n";
	static const uint8_t expected[16] = { [10] = 0xff, 0xff, 10, 1, 2, 3 };
	uint8_t address[16] = { 0 };

	(void)state;
	assert_true(fib_trie_parse(text, address));
	assert_memory_equal(address, expected, sizeof(address));
	assert_false(fib_trie_parse("Main:\n     |-- 127.0.0.1\n        /32 host LOCAL\n", address));
	assert_false(fib_trie_parse("        /32 host LOCAL\n     |-- 10.1.2.3.4.5\n        /32 host LOCAL\n", address));
	assert_false(fib_trie_parse("", address));
}

static void net_counters_of_cut_text(void **state)
{
	struct kw_netstat n;

	(void)state;
	memset(&n, 0xff, sizeof(n));
	net_counters_parse("Tcp: InSegs OutSegs\nTcp: 5", &n);
	assert_int_equal(n.tcp_in_segs, 5);
	assert_int_equal(n.tcp_out_segs, -1);
	net_counters_parse("Tcp: InSegs OutSegs\n", &n);
	net_counters_parse("Tcp:", &n);
}

static void host_totals(void **state)
{
	struct kw_host h;

	(void)state;
	memset(&h, 0xff, sizeof(h));
	proc_stat_parse("cpu  100 10 20 300 40 5 6 7 50 0\ncpu0 50 5 10 150 20 2 3 3 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\n"
			"ctxt 1234\nbtime 1\nprocesses 99\nprocs_running 3\nprocs_blocked 2\nsoftirq 1 2\n", 100, &h);
	assert_int_equal(h.user_ns, 1100000000); /* guest time is in user already */
	assert_int_equal(h.system_ns, 200000000);
	assert_int_equal(h.idle_ns, 3000000000);
	assert_int_equal(h.iowait_ns, 400000000);
	assert_int_equal(h.irq_ns, 50000000);
	assert_int_equal(h.softirq_ns, 60000000);
	assert_int_equal(h.steal_ns, 70000000);
	assert_int_equal(h.cpus, 2);
	assert_int_equal(h.context_switches, 1234);
	assert_int_equal(h.forks, 99);
	assert_int_equal(h.running, 3);
	assert_int_equal(h.blocked, 2);
	meminfo_parse("MemTotal:       24684096 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\nDirty: 3 kB\nWriteback: 4 kB\n"
		      "WritebackTmp: 5 kB\n", &h);
	assert_int_equal(h.memory_total_bytes, INT64_C(24684096) * 1024);
	assert_int_equal(h.memory_available_bytes, 2048);
	assert_int_equal(h.dirty_bytes, 3072);
	assert_int_equal(h.writeback_bytes, 4096);
	vmstat_parse("pgscan_direct 5\npgscan_direct_throttle 6\noom_kill 7\npswpin 8\npswpout 9\n", &h);
	assert_int_equal(h.reclaim_direct_pages, 5);
	assert_int_equal(h.oom_kills, 7);
	softnet_parse("000111f5 00000001 00000002 00000000\n0000e0b3 00000010 00000020 00000000\n", &h);
	assert_int_equal(h.softnet_drops, 0x11);
	assert_int_equal(h.softnet_squeezes, 0x22);
}

static int parse_kmsg(const char *text, struct kw_log *ret, uint64_t *ret_ts_us)
{
	return kmsg_parse(text, strlen(text), ret, ret_ts_us);
}

static void kmsg_prefix_and_text(void **state)
{
	struct kw_log log;
	uint64_t ts;

	(void)state;
	assert_int_equal(
		parse_kmsg("30,1234,5678901,-,caller=T1;hung; \\x1b[31m task\n SUBSYSTEM=pci\n DEVICE=+x\n", &log, &ts),
		0);
	assert_int_equal(log.priority, 6);
	assert_int_equal(log.facility, 3);
	assert_int_equal(log.seq, 1234);
	assert_int_equal(ts, 5678901);
	assert_string_equal(log.text, "hung; \\x1b[31m task");
}

static void kmsg_refuses_what_is_none(void **state)
{
	static const char *const bad[] = { "", ";", "6", "6,1", "6,1,;x", "6,1,2", "a,1,2,-;x", "-6,1,2,-;x",
					   "6;1,2,3", "6,1,99999999999999999999,-;x" };
	struct kw_log log;
	uint64_t ts;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_kmsg(bad[i], &log, &ts), -EINVAL);
}

static void kmsg_cuts_long_text(void **state)
{
	char text[2048] = "6,1,2,-;";
	struct kw_log log;
	uint64_t ts;

	(void)state;
	memset(text + 8, 'x', sizeof(text) - 9);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse_kmsg(text, &log, &ts), 0);
	assert_int_equal(strlen(log.text), sizeof(log.text) - 1);
}

static void deltas(void **state)
{
	(void)state;
	assert_int_equal(counter_delta(7, 5), 2);
	assert_int_equal(counter_delta(5, 7), 0);
	assert_int_equal(counter_delta(-1, 5), -1);
	assert_int_equal(counter_delta(5, -1), -1);
}

static void numbers_out_of_range_are_left(void **state)
{
	struct kw_usage u = no_usage();

	(void)state;
	cpu_stat_v2_parse("usage_usec 99999999999999999999\nuser_usec 9223372036854775807\nsystem_usec -5\n", &u);
	assert_int_equal(u.cpu_ns, -1);
	assert_int_equal(u.cpu_user_ns, INT64_MAX);
	assert_int_equal(u.cpu_system_ns, -1);
}

static void cpus_of_a_list(void **state)
{
	(void)state;
	assert_true(cpulist_has("0-1\n", 0));
	assert_true(cpulist_has("0-1\n", 1));
	assert_false(cpulist_has("0-1\n", 2));
	assert_true(cpulist_has("0,2-3,128\n", 3));
	assert_true(cpulist_has("0,2-3,128\n", 128));
	assert_false(cpulist_has("0,2-3,128\n", 1));
	assert_false(cpulist_has("0,2-3,128\n", 12));
	assert_false(cpulist_has("", 0));
	assert_false(cpulist_has("\n", 0));
	assert_false(cpulist_has("all", 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(net_stat_columns),
		cmocka_unit_test(psi_totals_become_ns),
		cmocka_unit_test(psi_line_without_total_is_left),
		cmocka_unit_test(cpu_stat_of_both_versions),
		cmocka_unit_test(cpu_max_with_and_without_quota),
		cmocka_unit_test(memory_stat_v1_takes_the_hierarchical_values),
		cmocka_unit_test(memory_v2),
		cmocka_unit_test(cgroups_of_a_controller_are_counted),
		cmocka_unit_test(io_sums_over_devices),
		cmocka_unit_test(net_counters_by_name_not_by_column),
		cmocka_unit_test(first_address_of_a_trie),
		cmocka_unit_test(net_counters_of_cut_text),
		cmocka_unit_test(host_totals),
		cmocka_unit_test(kmsg_prefix_and_text),
		cmocka_unit_test(kmsg_refuses_what_is_none),
		cmocka_unit_test(kmsg_cuts_long_text),
		cmocka_unit_test(deltas),
		cmocka_unit_test(numbers_out_of_range_are_left),
		cmocka_unit_test(cpus_of_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
