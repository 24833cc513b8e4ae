/* SPDX-License-Identifier: Apache-2.0 */
/* A BPF program run by perf's software clock of every CPU. */
#ifndef KWHY_COLLECT_PERFCLOCK_H
#define KWHY_COLLECT_PERFCLOCK_H

struct bpf_program;
struct perfclock;

/*
 * rate: times a second on each CPU that is online and not idle.  0, or what perf_event_open(2) or the link refused, then
 * nothing is attached.
 */
int perfclock_attach(const struct bpf_program *program, unsigned int rate, struct perfclock **ret_clock);
void perfclock_free(struct perfclock *clock); /* NULL is fine */

/*
 * Opens the clocks of CPUs that came and closes those of CPUs that went, whose events the kernel takes away for good
 * (perf_event_exit_cpu(), kernel/events/core.c).  To be called now and then: one that went and came back in between is
 * not noticed.
 */
void perfclock_follow(struct perfclock *clock);
unsigned int perfclock_count(const struct perfclock *clock); /* CPUs that are sampled */

#endif
