/* SPDX-License-Identifier: Apache-2.0 */
/* A BPF program run by perf's software clock of every CPU. */
#ifndef KWHY_COLLECT_PERFCLOCK_H
#define KWHY_COLLECT_PERFCLOCK_H

struct bpf_link;
struct bpf_program;
struct perfclock;

/*
 * rate: times a second on each CPU that is online now and not idle; one that comes later is not watched.  0, or what
 * perf_event_open(2) or the link refused, then nothing is attached.  *ret_link: the first CPU's, *ret_clock: the others'.
 */
int perfclock_attach(const struct bpf_program *program, unsigned int rate, struct bpf_link **ret_link,
		     struct perfclock **ret_clock);
void perfclock_free(struct perfclock *clock); /* NULL is fine */

#endif
