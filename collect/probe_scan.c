/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "tasks", "scan_tasks", true, "waits that do not end: hangs, frozen tasks, deadlocks, starved tasks" },
	{ 0 },
};

/* Behind them in the list of probes, so that each of these kinds is refined by its own. */
static const uint16_t kinds[] = { KW_KIND_offcpu, KW_KIND_runq, KW_KIND_lock, KW_KIND_throttle, KW_KIND_freeze,
				  KW_KIND_blocked, 0 };

const struct probe probe_scan = {
	.name = "scan",
	.title = "Waits that are not over yet, looked for once a tick over all tasks",
	.cost = "once a tick: 0.3 us a task, 4 us for each that waits",
	.causes = "proc.hung,proc.frozen,fs.frozen,fs.remote_hang,lock.kernel,cpu.rt_starvation,lock.futex,"
		  "lock.file,ipc.peer_slow,proc.stopped,proc.traced,mem.fault_handler",
	.object = "scan",
	.attach = hooks,
	.kinds = kinds,
};
