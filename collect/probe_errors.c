/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collect/probe.h"
#include "collect/syscalls.h"

static const struct attach_choice hooks[] = {
	{ "exit", "call_left", true, "storms of failing system calls" },
	{ "tick", "errors_of_tick", true, "storms of failing system calls" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_errors, 0 };

static int refine(const struct kernel *kernel, struct kw_event *event, void *payload, const uint64_t *stack,
		  const uint64_t *peer_stack)
{
	struct kw_errors *p = payload;
	const char *call = syscall_name(p->syscall), *error = strerrorname_np(event->error);

	(void)kernel;
	(void)stack;
	(void)peer_stack;
	if (call)
		snprintf(p->call, sizeof(p->call), "%s", call);
	else
		snprintf(p->call, sizeof(p->call), "call %lld", (long long)p->syscall);
	if (error)
		snprintf(p->errno_name, sizeof(p->errno_name), "%s", error);
	else
		snprintf(p->errno_name, sizeof(p->errno_name), "error %d", event->error);
	return 0;
}

/* As many as proc.errors asks for, in two windows in a row: searching along a path for a file is work. */
static bool look_again(const struct kw_event *event, const void *payload)
{
	const struct kw_errors *p = payload;
	double share = event->error == ENOENT ? 0.8 : 0.3;

	return p->rate >= 1000 && (double)p->count >= share * (double)p->calls;
}

const struct probe probe_errors = {
	.name = "errors",
	.title = "Failing system calls by call and error, counted in short windows",
	.cost = "sys_exit, for 10 ms every four seconds, of each while it finds a storm: 20 ns a call, and the slow way out of the kernel",
	.causes = "proc.errors",
	.object = "errors",
	.windowed = true,
	.look_again = look_again,
	.attach = hooks,
	.kinds = kinds,
	.refine = refine,
};
