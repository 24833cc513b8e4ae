/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of real kernels (5.10 to 7.3, x86; guests of tests/vm and published logs), and lines that only look like it.
 */
#include "unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/timeutil.h"
#include "collect/klog.h"

struct line_case {
	const char *text, *sign, *object, *detail;
	int64_t pid;
	const char *comm;
	int64_t on_cpu;
	int64_t stuck_s; /* -1 unknown */
};

static const struct line_case cases[] = {
	{ "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [my:prog:4711]", "softlockup", "", "", 4711, "my:prog", 1,
	  22 },
	{ "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3", "hardlockup", "", "", 0, "", 3, -1 },
	{ "watchdog: Watchdog detected hard LOCKUP on cpu 12", "hardlockup", "", "", 0, "", 12, -1 },
	{ "rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu_stall", "rcu_preempt", "", 0, "", -1, -1 },
	{ "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "rcu_stall", "rcu_sched", "", 0, "", -1, -1 },
	{ "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-.... } 21 jiffies s: 33 root: 0x2/.",
	  "rcu_stall", "rcu_sched", "1-.... } 21 jiffies s: 33 root: 0x2/.", 0, "", -1, -1 },
	{ "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!", "workqueue", "",
	  "cpus=0 node=0 flags=0x0 nice=0", 0, "", -1, 33 },
	{ "BUG: kernel NULL pointer dereference, address: 0000000000000008", "oops", "", "0000000000000008", 0, "", -1,
	  -1 },
	{ "BUG: unable to handle page fault for address: ffffc90000600000", "oops", "",
	  "page fault for address: ffffc90000600000", 0, "", -1, -1 },
	{ "Oops: general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b7b: 0000 [#1] SMP NOPTI",
	  "oops", "", "general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b7b", 0, "", -1, -1 },
	{ "kernel BUG at mm/slub.c:305!", "oops", "", "mm/slub.c:305", 0, "", -1, -1 },
	{ "WARNING: CPU: 1 PID: 157 at block/blk-lib.c:51 __blkdev_issue_discard+0x22b/0x290", "warning", "",
	  "block/blk-lib.c:51", 157, "", 1, -1 },
	{ "INFO: task dd:172 blocked for more than 3 seconds.", "hungtask", "", "", 172, "dd", -1, 3 },
	{ "INFO: task dd:180 blocked in I/O wait for more than 122 seconds.", "hungtask", "", "", 180, "dd", -1, 122 },
	{ "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x12d offset:0x0)",
	  "mem_corrected", "MC0",
	  "memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x12", 0, "", -1, -1 },
	{ "EDAC MC1: 1 UE memory scrubbing error on any memory", "mem_uncorrected", "MC1",
	  "memory scrubbing error on any memory", 0, "", -1, -1 },
	{ "Memory failure: 0x1a2b3: Sending SIGBUS to cell srv:33395 due to hardware memory corruption", "mem_killed",
	  "", "", 33395, "cell srv", -1, -1 },
	{ "MCE: Killing uffd-unit-tests:1321817 due to hardware memory corruption fault at 4631e000", "mem_killed", "",
	  "", 1321817, "uffd-unit-tests", -1, -1 },
	{ "Memory failure: 0x1234: recovery action for dirty LRU page: Recovered", "mem_failed", "0x1234",
	  "dirty LRU page: Recovered", 0, "", -1, -1 },
	{ "mce: [Hardware Error]: CPU 2: Machine Check: 0 Bank 8: cc00010000010091", "cpu_mce", "",
	  "8: cc00010000010091", 0, "", 2, -1 },
	{ "mce: CPU7: Core temperature above threshold, cpu clock throttled (total events = 3)", "cpu_hot", "", "", 0,
	  "", 7, -1 },
	{ "nvme 0000:01:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
	  "pcie_corrected", "0000:01:00.0", "Physical Layer, (Receiver ID)", 0, "", -1, -1 },
	{ "pcieport 0000:00:1c.5: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer, (Requester ID)",
	  "pcie_failed", "0000:00:1c.5", "Transaction Layer, (Requester ID)", 0, "", -1, -1 },
	{ "critical medium error, dev sda, sector 4656 op 0x0:(READ) flags 0x800 phys_seg 1 prio class 2",
	  "disk_medium", "sda", "4656", 0, "", -1, -1 },
	{ "blk_update_request: critical medium error, dev sda, sector 4656 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
	  "disk_medium", "sda", "4656", 0, "", -1, -1 },
	{ "ata1.00: exception Emask 0x0 SAct 0x4 SErr 0x0 action 0x0", "disk_error", "ata1.00",
	  "0x0 SAct 0x4 SErr 0x0 action 0x0", 0, "", -1, -1 },
	{ "ata3: hard resetting link", "disk_timeout", "ata3", "", 0, "", -1, -1 },
	{ "sd 2:0:0:0: [sda] tag#12 timing out command, waited 180s", "disk_timeout", "sda", "180s", 0, "", -1, -1 },
	{ "nvme nvme0: I/O 12 QID 3 timeout, aborting", "disk_timeout", "nvme0", "12 QID 3", 0, "", -1, -1 },
	{ "nvme nvme1: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0xffff", "disk_timeout", "nvme1",
	  "CSTS=0xffffffff, PCI_STATUS=0xffff", 0, "", -1, -1 },
	{ "md/raid1:md0: Disk failure on sdb1, disabling device.", "disk_error", "sdb1", "", 0, "", -1, -1 },
	{ "r8169 0000:02:00.0 eth0: Link is Down", "link_down", "eth0", "", 0, "", -1, -1 },
	{ "igb 0000:01:00.0 eno1: igb: eno1 NIC Link is Down", "link_down", "eno1", "", 0, "", -1, -1 },
	{ "NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out", "link_timeout", "eth0", "e1000e", 0, "", -1,
	  -1 },
	{ "e1000e 0000:00:1f.6 eth0: NETDEV WATCHDOG: CPU: 3: transmit queue 0 timed out 5388 ms", "link_timeout",
	  "eth0", "0", 0, "", 3, -1 },
	{ "EXT4-fs error (device dm-0): ext4_journal_check_start:87: comm x: Detected aborted journal", "fs_error",
	  "dm-0", "ext4_journal_check_start:87: comm x: Detected aborted journal", 0, "", -1, -1 },
	{ "EXT4-fs error (device dm-0) in ext4_reserve_inode_write:6312: IO failure", "fs_error", "dm-0",
	  "ext4_reserve_inode_write:6312: IO failure", 0, "", -1, -1 },
	{ "Aborting journal on device dm-0-8.", "fs_aborted", "dm-0-8", "", 0, "", -1, -1 },
	{ "EXT4-fs (dm-0): Remounting filesystem read-only", "fs_readonly", "dm-0", "", 0, "", -1, -1 },
	{ "nfs: server filer.example not responding, still trying", "fs_hang", "filer.example", "still trying", 0, "",
	  -1, -1 },
	{ "worker: page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP), nodemask=(null)",
	  "alloc_fail", "", "order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP), nodemask=(null)", 0, "worker", -1, -1 },
	{ "Memory cgroup out of memory: Killed process 151 (perl) total-vm:72992kB, anon-rss:24352kB", "oom_memcg", "",
	  "total-vm:72992kB, anon-rss:24352kB", 151, "perl", -1, -1 },
	{ "Out of memory: Killed process 153 (perl) total-vm:453604kB, anon-rss:446120kB", "oom_global", "",
	  "total-vm:453604kB, anon-rss:446120kB", 153, "perl", -1, -1 },
};

static void reports_of_real_kernels(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct line_case *c = &cases[i];
		struct klog_report r;

		if (!klog_begins(c->text, &r))
			fail_msg("no signature: %s", c->text);
		assert_string_equal(r.p.sign, c->sign);
		assert_string_equal(r.p.object, c->object);
		if (strcmp(c->sign, "oops") != 0 || strncmp(c->detail, "general", 7) != 0)
			assert_string_equal(r.p.detail, c->detail);
		assert_int_equal(r.task.pid, c->pid);
		assert_string_equal(r.task.comm, c->comm);
		assert_int_equal(r.p.on_cpu, c->on_cpu);
		assert_int_equal(r.p.stuck_ns, c->stuck_s < 0 ? -1 : c->stuck_s * NSEC_PER_SEC);
	}
}

static void ordinary_lines_are_none(void **state)
{
	static const char *const lines[] = {
		"EXT4-fs (dm-0): mounted filesystem with ordered data mode. Quota mode: none.",
		"sd 0:0:0:0: [sda] Attached SCSI disk",
		"perl[155]: segfault at 8 ip 00007f8398a68219 sp 00007ffe111da998 error 4 in libc.so.6[7f8398938000+156000]",
		"traps: prog[123] general protection fault ip:55d0 sp:7ffe error:0 in prog[55d0+1000]",
		"device vethb1 left promiscuous mode",
		"docker0: port 1(vethb1) entered disabled state",
		"IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready",
		"operation not supported error, dev loop0, sector 32640 op 0x9:(WRITE_ZEROES) flags 0x8000800 phys_seg 0",
		"corpus.sh (145): drop_caches: 3",
		"smpboot: CPU 1 is now offline",
		"INFO: task dd:172 blocked for more than many seconds.",
		"INFO: task dd blocked for more than 3 seconds.",
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [prog:4711] and more",
		"EDAC MC: Ver: 3.0.0",
		"mce: CPU supports 10 MCE banks",
		"mce: [Hardware Error]: Machine check events logged",
		"",
	};
	struct klog_report r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (klog_begins(lines[i], &r))
			fail_msg("%s was taken for %s", lines[i], r.p.sign);
}

static void lines(struct klog *k, const char *const *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		klog_line(k, text[i], 4, 100 + i, 1000 + i);
}

static void an_oops_is_completed(void **state)
{
	static const char *const text[] = {
		"BUG: kernel NULL pointer dereference, address: 0000000000000008",
		"#PF: supervisor write access in kernel mode",
		"Oops: 0002 [#1] PREEMPT SMP NOPTI",
		"CPU: 0 PID: 211 Comm: sh Tainted: G           OE      6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2",
		"RIP: 0010:fault_write+0x1a4/0x1f0 [kwhy_fault]",
		"RIP: 0033:0x7f0eb3584c20",
	};
	struct klog k = { 0 };

	(void)state;
	lines(&k, text, ARRAY_SIZE(text));
	assert_int_equal(k.count, 1);
	assert_string_equal(k.open[0].p.sign, "oops");
	assert_string_equal(k.open[0].p.function, "fault_write");
	assert_string_equal(k.open[0].p.object, "kwhy_fault");
	assert_int_equal(k.open[0].task.pid, 211);
	assert_string_equal(k.open[0].task.comm, "sh");
	assert_int_equal(k.open[0].p.on_cpu, 0);
	assert_int_equal(k.open[0].p.seq, 100);
}

static void a_refused_allocation_names_the_task(void **state)
{
	static const char *const text[] = {
		"sable: page allocation failure: order:10, mode:0x820(GFP_ATOMIC), nodemask=(null),cpuset=/,mems_allowed=0",
		"CPU: 1 UID: 0 PID: 251 Comm: sable Tainted: G           OE      6.12.117+deb12-cloud-amd64 #1",
	};
	struct klog k = { 0 };

	(void)state;
	lines(&k, text, ARRAY_SIZE(text));
	assert_int_equal(k.count, 1);
	assert_int_equal(k.open[0].task.pid, 251);
	assert_int_equal(k.open[0].p.on_cpu, 1);
	assert_string_equal(k.open[0].task.comm, "sable");
}

static void a_stall_names_cpu_and_task(void **state)
{
	static const char *const text[] = {
		"rcu: INFO: rcu_preempt self-detected stall on CPU",
		"rcu: \\x091-....: (750 ticks this GP) idle=13cc/1/0x4000000000000000 softirq=1133/1133 fqs=375",
		"\\x09(t=751 jiffies g=1061 q=33 ncpus=2)",
		"CPU: 1 UID: 0 PID: 187 Comm: stall Tainted: G           O       6.12.117+deb12-cloud-amd64 #1  Debian",
	};
	struct klog k = { 0 };

	(void)state;
	lines(&k, text, ARRAY_SIZE(text));
	assert_int_equal(k.count, 1);
	assert_int_equal(k.open[0].p.on_cpu, 1);
	assert_int_equal(k.open[0].task.pid, 187);
}

static void the_likely_owner_is_the_other_task(void **state)
{
	static const char *const text[] = {
		"INFO: task ublk.loop:3877 is blocked on a mutex likely owned by task (udev-synth):4041.",
		"INFO: task NvmlTaskRunner:11290 <reader> blocked on an rw-semaphore likely owned by task VLLM::Engine:46249 <writer>",
	};
	struct klog k = { 0 };

	(void)state;
	lines(&k, text, ARRAY_SIZE(text));
	assert_int_equal(k.count, 2);
	assert_int_equal(k.open[0].task.pid, 3877);
	assert_int_equal(k.open[0].other.pid, 4041);
	assert_string_equal(k.open[0].other.comm, "(udev-synth)");
	assert_string_equal(k.open[0].p.detail, "mutex");
	assert_int_equal(k.open[1].other.pid, 46249);
	assert_string_equal(k.open[1].other.comm, "VLLM::Engine");
	assert_string_equal(k.open[1].p.detail, "rw-semaphore");
}

static void a_backtrace_of_others_changes_nothing(void **state)
{
	static const char *const text[] = {
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [prog:4711]",
		"CPU: 0 PID: 1 Comm: init Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2",
		"EXT4-fs (dm-0): Remounting filesystem read-only",
		"CPU: 0 PID: 2 Comm: other Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2",
	};
	struct klog k = { 0 };

	(void)state;
	lines(&k, text, ARRAY_SIZE(text));
	assert_int_equal(k.count, 2);
	assert_int_equal(k.open[0].task.pid, 4711);
	assert_int_equal(k.open[0].p.on_cpu, 1);
	assert_int_equal(k.open[1].task.pid, 0);
}

static void a_flood_is_counted(void **state)
{
	struct klog k = { 0 };
	char text[128];

	(void)state;
	for (int i = 0; i < 100; i++)
		klog_line(&k, "critical medium error, dev sda, sector 1 op 0x0:(READ) flags 0x800", 3, i, i);
	assert_int_equal(k.count, 1);
	assert_int_equal(k.open[0].p.count, 100);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "INFO: task dd:%d blocked for more than 3 seconds.", 100 + i);
		klog_line(&k, text, 3, i, i);
	}
	assert_int_equal(k.count, KLOG_OPEN_MAX);
	assert_int_equal(k.overflow, 100 - (KLOG_OPEN_MAX - 1));
}

/* Each tag but the last has text behind it, by which its end is found. */
static void patterns_can_be_read(void **state)
{
	static const char *const patterns[] = {
#define KLOG_SIGN(sign, class, pattern) pattern,
#define KLOG_MORE(pattern) pattern,
#include "collect/klog.def"
#undef KLOG_SIGN
#undef KLOG_MORE
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		for (const char *p = patterns[i]; (p = strchr(p, '%')); p += 2) {
			if (!p[1] || !strchr("*#CSptTnofd", p[1]) || p[2] == '%')
				fail_msg("%s: bad tag at %s", patterns[i], p);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_of_real_kernels),
		cmocka_unit_test(ordinary_lines_are_none),
		cmocka_unit_test(an_oops_is_completed),
		cmocka_unit_test(a_refused_allocation_names_the_task),
		cmocka_unit_test(a_stall_names_cpu_and_task),
		cmocka_unit_test(the_likely_owner_is_the_other_task),
		cmocka_unit_test(a_backtrace_of_others_changes_nothing),
		cmocka_unit_test(a_flood_is_counted),
		cmocka_unit_test(patterns_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
