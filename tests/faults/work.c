/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/timeutil.h"
#include "tests/faults/work.h"

void burn_cpu(int64_t cpu_ns)
{
	int64_t until = time_thread_ns() + cpu_ns;
	volatile uint64_t x = 1;

	while (time_thread_ns() < until)
		for (int i = 0; i < 20000; i++)
			x = x * UINT64_C(6364136223846793005) + 1;
}

void serve_requests(struct sandbox *sb, const struct requests *rq)
{
	int64_t period = rq->work_ns * 100 / rq->percent, next = clock_ns(), began;
	enum phase phase;

	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		began = next; /* due then: waiting for the CPU to begin is part of it */
		burn_cpu(rq->work_ns);
		if (rq->tally)
			tally_add(rq->tally, phase, sandbox_phase(sb), clock_ns() - began);
		/* Late requests are dropped, not made up for: the load stays what it says. */
		next = MAX(next + period, clock_ns() + period / 10);
		nap_ns(next - clock_ns());
	}
}

void requests_body(struct sandbox *sb, void *arg)
{
	serve_requests(sb, arg);
}

int busy_container(struct sandbox *sb, struct container **ret_container)
{
	struct requests rq = { .work_ns = sandbox_random(sb, 2, 5) * MS, .percent = sandbox_random(sb, 20, 30) };
	int r = container_new(sb, ret_container);

	if (r < 0)
		return r;
	facts_int(&sb->params, "bystander_cpu_percent", rq.percent);
	r = sandbox_spawn(sb, *ret_container, requests_body, &rq);
	return r < 0 ? r : 0;
}
