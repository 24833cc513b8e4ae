/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/waitclass.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/kernel.h"

/* Frames of scheduling, of generic waiting and of our own hooks: they say that a task waits, not for what. */
static const char *const generic[] = {
	"__schedule",
	"schedule",
	"preempt_schedule*",
	"io_schedule*",
	"schedule_timeout*",
	"schedule_hrtimeout*",
	"schedule_preempt_disabled",
	"wait_for_completion*",
	"__wait_for_common*",
	"wait_for_common*",
	"do_wait_for_common",
	"bit_wait*",
	"__wait_on_bit*",
	"out_of_line_wait_on_bit*",
	"prepare_to_wait*",
	"wait_woken",
	"do_nanosleep",
	"__bpf_*",
	"bpf_*",
	"__traceiter_*",
	"trace_*",
	"__stop_runtime_ptr*",
	"_raw_spin_*",
	"rwsem_*_slowpath",
	"__mutex_lock*",
	"mutex_lock*",
	"__down*",
	"down*",
	"mutex_spin*",
	"percpu_rwsem_wait",
	"__percpu_*",
	"percpu_down_*",
	"queued_*_slowpath",
	"native_queued_*",
	"rt_mutex_*",
	"__rt_mutex_*",
	"rwbase_*",
	"kthread*",
	"do_syscall_64",
	"entry_SYSCALL_64*",
	"x64_sys_call",
	"ret_from_fork*",
	"el0*",
	"invoke_syscall",
	"asm_*",
	"__x64_sys_*",
	"__se_sys_*",
	"__arm64_sys_*",
};

/*
 * The innermost frame that matches decides, but for those that refines() lets say more.  An entry "a*" matches a prefix.
 */
static const struct {
	const char *symbol;
	const char *class;
} classes[] = {
	{ "__refrigerator", "freezer" },
	{ "do_freezer_trap", "freezer" },
	{ "get_signal", "stopped" },
	{ "do_signal_stop", "stopped" },
	{ "do_jobctl_trap", "stopped" },
	{ "ptrace_stop", "traced" },
	{ "ptrace_*", "traced" },
	{ "request_wait_answer", "fuse" },
	{ "fuse_*", "fuse" },
	{ "__fuse_*", "fuse" },
	{ "nfs_*", "nfs" },
	{ "nfs4_*", "nfs" },
	{ "rpc_wait_bit_killable", "nfs" },
	{ "__rpc_execute", "nfs" },
	{ "rpc_*", "nfs" },
	{ "sb_start_write*", "fs-freeze" },
	{ "__sb_start_write*", "fs-freeze" },
	{ "mnt_want_write*", "fs-freeze" },
	{ "sb_start_pagefault", "fs-freeze" },
	{ "file_start_write*", "fs-freeze" },
	{ "ovl_copy_up*", "copy-up" },
	{ "jbd2_log_wait_commit", "journal" },
	{ "jbd2_*", "journal" },
	{ "start_this_handle", "journal" },
	{ "wait_transaction_*", "journal" },
	{ "add_transaction_credits", "journal" },
	{ "do_get_write_access", "journal" },
	{ "xlog_*", "journal" },
	{ "xfs_log_*", "journal" },
	{ "btrfs_wait_for_commit", "journal" },
	{ "wait_current_trans", "journal" },
	{ "btrfs_commit_transaction", "journal" },
	{ "wait_reserve_ticket", "journal" },
	{ "handle_reserve_ticket", "journal" },
	{ "__reserve_bytes", "journal" },
	{ "btrfs_reserve_metadata_bytes", "journal" },
	{ "futex_*", "futex" },
	{ "__futex_*", "futex" },
	{ "do_futex", "futex" },
	{ "anon_pipe_*", "pipe" },
	{ "pipe_*", "pipe" },
	{ "wait_for_partner", "pipe" },
	{ "unix_*", "socket" },
	{ "__unix_*", "socket" },
	{ "sk_wait_data", "socket" },
	{ "sk_stream_wait_*", "socket" },
	{ "inet_csk_accept", "socket" },
	{ "inet_csk_wait_*", "socket" },
	{ "inet_stream_connect", "socket" },
	{ "__inet_stream_connect", "socket" },
	{ "tcp_*", "socket" },
	{ "udp_*", "socket" },
	{ "__skb_wait_for_more_packets", "socket" },
	{ "__skb_recv_*", "socket" },
	{ "netlink_*", "socket" },
	{ "vsock_*", "socket" },
	{ "lock_sock_nested", "socket" },
	{ "__lock_sock", "socket" },
	{ "ep_poll", "poll" },
	{ "do_epoll_wait", "poll" },
	{ "do_poll*", "poll" },
	{ "do_sys_poll", "poll" },
	{ "poll_schedule_timeout*", "poll" },
	{ "do_select", "poll" },
	{ "io_cqring_wait*", "poll" },
	{ "hrtimer_nanosleep", "timer" },
	{ "do_nanosleep", "timer" },
	{ "common_nsleep*", "timer" },
	{ "msleep*", "timer" },
	{ "usleep_range*", "timer" },
	{ "handle_userfault", "fault" },
	{ "userfaultfd_*", "fault" },
	{ "__lock_page*", "fault" },
	{ "__folio_lock_or_retry", "fault" },
	{ "do_swap_page", "fault" },
	{ "__mutex_lock*", "lock" },
	{ "mutex_lock*", "lock" },
	{ "rwsem_*", "lock" },
	{ "__rwsem_*", "lock" },
	{ "down_read*", "lock" },
	{ "down_write*", "lock" },
	{ "__down*", "lock" },
	{ "rt_mutex_*", "lock" },
	{ "flock_lock_inode_wait", "lock" },
	{ "posix_lock_inode_wait", "lock" },
	{ "locks_lock_inode_wait", "lock" },
	{ "fcntl_setlk*", "lock" },
	{ "io_schedule*", "io" },
	{ "bit_wait_io*", "io" },
	{ "blk_*", "io" },
	{ "__blk_*", "io" },
	{ "blkdev_*", "io" },
	{ "submit_bio_wait*", "io" },
	{ "rq_qos_wait", "io" },
	{ "wbt_wait", "io" },
	{ "folio_wait_*", "io" },
	{ "wait_on_page_*", "io" },
	{ "__filemap_fdatawait_range", "io" },
	{ "filemap_*", "io" },
	{ "dio_*", "io" },
	{ "iomap_dio_*", "io" },
	{ "__iomap_dio_rw", "io" },
	{ "balance_dirty_pages*", "io" },
	{ "wb_wait_for_completion", "io" },
	{ "sync_inodes_sb", "io" },
	{ "__sync_dirty_buffer", "io" },
	{ "__wait_on_buffer", "io" },
	{ "read_events", "io" },
	{ "percpu_rwsem_wait", "lock" },
};

static bool matches(const char *pattern, const char *symbol)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return !strncmp(pattern, symbol, len - 1);
	return !strncmp(pattern, symbol, len) && (symbol[len] == '\0' || symbol[len] == '.');
}

/* "*" inside a pattern ("rwsem_*_slowpath"): prefix and suffix. */
static bool matches_wide(const char *pattern, const char *symbol)
{
	const char *star = strchr(pattern, '*');
	size_t head, tail, len = strcspn(symbol, ".");

	if (!star || !star[1])
		return matches(pattern, symbol);
	head = star - pattern;
	tail = strlen(star + 1);
	return len >= head + tail && !strncmp(pattern, symbol, head) && !strncmp(star + 1, symbol + len - tail, tail);
}

static bool is_generic(const char *symbol)
{
	for (size_t i = 0; i < ARRAY_SIZE(generic); i++)
		if (matches_wide(generic[i], symbol))
			return true;
	return false;
}

static const char *class_of(const char *symbol)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (matches(classes[i].symbol, symbol))
			return classes[i].class;
	return NULL;
}

/* Whether a class says more than that of a frame further in: a sleep in a lock or on I/O is often on behalf of one. */
static bool refines(const char *outer, const char *inner)
{
	if (!strcmp(inner, "lock"))
		return !strcmp(outer, "fs-freeze");
	if (!strcmp(inner, "io"))
		return !strcmp(outer, "fault") || !strcmp(outer, "fuse") || !strcmp(outer, "nfs") ||
		       !strcmp(outer, "journal") || !strcmp(outer, "copy-up");
	if (!strcmp(inner, "stopped"))
		return !strcmp(outer, "freezer") || !strcmp(outer, "traced");
	return false;
}

const char *wait_class(const char *const *symbols, unsigned int count)
{
	const char *found = NULL;

	for (unsigned int i = 0; i < count; i++) {
		const char *class = symbols[i][0] ? class_of(symbols[i]) : NULL;

		if (!class)
			continue;
		if (!found || refines(class, found))
			found = class;
	}
	return found ? found : "other";
}

const char *wait_place(const char *const *symbols, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (symbols[i][0] && !is_generic(symbols[i]))
			return symbols[i];
	for (unsigned int i = 0; i < count; i++)
		if (!strncmp(symbols[i], "__x64_sys_", 10) || !strncmp(symbols[i], "__arm64_sys_", 12))
			return symbols[i];
	return "";
}

static bool enters_interrupt(const char *symbol)
{
	return strstr(symbol, "sysvec_") || strstr(symbol, "el1_interrupt") || strstr(symbol, "el1h_64_irq") ||
	       strstr(symbol, "el0_interrupt") || strstr(symbol, "el0t_64_irq");
}

unsigned int wait_interrupted(const char *const *symbols, unsigned int count)
{
	unsigned int i = 0;

	while (i < count && !enters_interrupt(symbols[i]))
		i++;
	if (i == count)
		return 0;
	while (i < count && enters_interrupt(symbols[i]))
		i++;
	return i;
}

bool wait_lets_interrupts_on(const char *symbol)
{
	static const char *const helpers[] = {
		"_raw_*_unlock_irq", "_raw_*_unlock_irqrestore", "*_local_irq_enable", "*_irq_enable", "*_irq_restore",
	};

	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		if (matches_wide(helpers[i], symbol))
			return true;
	return false;
}

void wait_name(const char *symbol, char *ret, size_t size)
{
	snprintf(ret, size, "%.*s", (int)strcspn(symbol, "."), symbol);
}

unsigned int wait_symbols(const struct kernel *kernel, const uint64_t *frames,
			  const char *ret_symbols[static WAIT_FRAMES_MAX])
{
	unsigned int n = 0;

	for (; n < WAIT_FRAMES_MAX && frames[n]; n++) {
		uint64_t offset;
		const char *symbol = kernel_symbol(kernel, frames[n], &offset);

		ret_symbols[n] = symbol ? symbol : "";
	}
	return n;
}
