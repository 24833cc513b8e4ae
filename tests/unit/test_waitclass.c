/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collect/kernel.h"
#include "collect/waitclass.h"

/* Stacks as seen on real kernels, innermost first. */
static const struct {
	const char *frames[12];
	const char *class;
	const char *place;
} cases[] = {
	{ { "io_schedule", "folio_wait_bit_common", "filemap_get_pages", "filemap_read", "vfs_read", "ksys_read" },
	  "io",
	  "folio_wait_bit_common" },
	{ { "schedule", "percpu_rwsem_wait", "mnt_want_write", "path_openat", "do_filp_open" },
	  "fs-freeze",
	  "mnt_want_write" },
	{ { "__bpf_get_task_stack", "bpf_trace_run2", "rwsem_down_write_slowpath", "down_write",
	    "shmem_file_write_iter", "vfs_write" },
	  "lock",
	  "shmem_file_write_iter" },
	{ { "jbd2_log_wait_commit", "ext4_sync_file", "do_fsync" }, "journal", "jbd2_log_wait_commit" },
	{ { "__schedule", "handle_reserve_ticket", "start_transaction" }, "journal", "handle_reserve_ticket" },
	{ { "io_schedule", "bit_wait_io", "__wait_on_bit", "do_get_write_access", "jbd2_journal_get_write_access" },
	  "journal",
	  "do_get_write_access" },
	{ { "io_schedule", "folio_wait_bit_common", "filemap_get_pages", "filemap_splice_read", "splice_direct_to_actor",
	    "ovl_copy_up_file", "ovl_copy_up_flags", "ovl_open" },
	  "copy-up",
	  "folio_wait_bit_common" },
	{ { "request_wait_answer", "__fuse_simple_request", "fuse_lookup_name", "path_lookupat" },
	  "fuse",
	  "request_wait_answer" },
	{ { "folio_wait_bit_common", "filemap_get_pages", "fuse_file_read_iter", "vfs_read" },
	  "fuse",
	  "folio_wait_bit_common" },
	{ { "rpc_wait_bit_killable", "__wait_on_bit", "__rpc_execute", "nfs_proc_getattr" },
	  "nfs",
	  "rpc_wait_bit_killable" },
	{ { "futex_do_wait", "__futex_wait", "futex_wait", "do_futex", "__x64_sys_futex" }, "futex", "futex_do_wait" },
	{ { "anon_pipe_read", "vfs_read", "ksys_read" }, "pipe", "anon_pipe_read" },
	{ { "schedule_timeout", "unix_stream_read_generic", "unix_stream_recvmsg" },
	  "socket",
	  "unix_stream_read_generic" },
	{ { "schedule_timeout", "inet_csk_accept", "inet_accept" }, "socket", "inet_csk_accept" },
	{ { "schedule_hrtimeout_range_clock", "ep_poll", "do_epoll_wait" }, "poll", "ep_poll" },
	{ { "do_nanosleep", "hrtimer_nanosleep", "common_nsleep" }, "timer", "hrtimer_nanosleep" },
	{ { "get_signal", "arch_do_signal_or_restart", "exit_to_user_mode_loop" }, "stopped", "get_signal" },
	{ { "__refrigerator", "get_signal", "arch_do_signal_or_restart" }, "freezer", "__refrigerator" },
	{ { "do_freezer_trap", "get_signal" }, "freezer", "do_freezer_trap" },
	{ { "ptrace_stop", "ptrace_do_notify", "syscall_trace_enter" }, "traced", "ptrace_stop" },
	{ { "handle_userfault", "do_anonymous_page", "handle_mm_fault" }, "fault", "handle_userfault" },
	{ { "__mutex_lock.constprop.0", "mutex_lock", "cgroup_kn_lock_live" }, "lock", "cgroup_kn_lock_live" },
	{ { "synchronize_rcu_normal", "tracepoint_add_func" }, "other", "synchronize_rcu_normal" },
	{ { "", "", "pipe_read" }, "pipe", "pipe_read" },
	{ { "do_syscall_64", "entry_SYSCALL_64_after_hwframe" }, "other", "" },
	{ { "schedule", "__x64_sys_pause", "do_syscall_64" }, "other", "__x64_sys_pause" },
	{ { NULL }, "other", "" },
};

static unsigned int count(const char *const *frames)
{
	unsigned int n = 0;

	while (n < 12 && frames[n])
		n++;
	return n;
}

static void test_classes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned int n = count(cases[i].frames);

		print_message("case %zu\n", i);
		assert_string_equal(wait_class(cases[i].frames, n), cases[i].class);
		assert_string_equal(wait_place(cases[i].frames, n), cases[i].place);
	}
}

/* A pattern without a star is the whole name, but for what GCC adds. */
static void test_whole_names(void **state)
{
	static const char *const longer[] = { "do_selected_thing" };
	static const char *const suffixed[] = { "do_select.isra.0" };

	(void)state;
	assert_string_equal(wait_class(longer, 1), "other");
	assert_string_equal(wait_class(suffixed, 1), "poll");
}

static void test_name(void **state)
{
	char name[16];

	(void)state;
	wait_name("freeze_super.part.0", name, sizeof(name));
	assert_string_equal(name, "freeze_super");
	wait_name("a_very_long_symbol_of_the_kernel", name, sizeof(name));
	assert_string_equal(name, "a_very_long_sym");
	wait_name("", name, sizeof(name));
	assert_string_equal(name, "");
}

static void test_interrupted(void **state)
{
	static const char *const in_kernel[] = { "bpf_trace_run1", "__traceiter_local_timer_exit",
						 "__sysvec_apic_timer_interrupt", "sysvec_apic_timer_interrupt",
						 "asm_sysvec_apic_timer_interrupt", "_raw_spin_unlock_irqrestore",
						 "__wake_up_sync_key", "pipe_write" };
	static const char *const nested[] = { "sysvec_apic_timer_interrupt", "asm_sysvec_apic_timer_interrupt",
					      "net_rx_action", "handle_softirqs", "sysvec_call_function_single",
					      "asm_sysvec_call_function_single", "find_vma" };

	(void)state;
	assert_int_equal(wait_interrupted(in_kernel, 8), 5);
	assert_int_equal(wait_interrupted(in_kernel, 5), 5); /* user mode */
	assert_int_equal(wait_interrupted(in_kernel, 2), 0); /* no interrupt */
	assert_int_equal(wait_interrupted(nested, 7), 2);    /* the soft interrupt, not whom that one interrupted */
	assert_true(wait_lets_interrupts_on("_raw_spin_unlock_irqrestore"));
	assert_true(wait_lets_interrupts_on("_raw_write_unlock_irq"));
	assert_true(wait_lets_interrupts_on("pv_native_irq_enable"));
	assert_false(wait_lets_interrupts_on("_raw_spin_unlock"));
	assert_false(wait_lets_interrupts_on("__wake_up_sync_key"));
	assert_false(wait_lets_interrupts_on("_raw_spin_lock_irqsave"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_whole_names),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
