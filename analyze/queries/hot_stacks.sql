-- SPDX-License-Identifier: Apache-2.0
-- title: The stacks that used most CPU time
-- about: Samples of running tasks by container, program and stack, innermost function first.
-- param: container text -: only this container, by name or ref
WITH p AS MATERIALIZED (SELECT container, comm, stack, user_stack, sum(samples) AS samples, sum(ns) AS cpu_ns FROM v_profile
		WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
		GROUP BY container, comm, stack, user_stack)
SELECT (SELECT name FROM v_container c WHERE c.container = p.container) AS container, comm AS task, cpu_ns, samples,
	round(cpu_ns * 100.0 / (SELECT sum(cpu_ns) FROM p), 1) AS percent, CASE WHEN stack IS NULL THEN 'user' ELSE 'kernel' END AS mode,
	replace((SELECT frames FROM v_stack k WHERE k.stack = coalesce(p.stack, p.user_stack)), char(10), ' < ') AS frames
FROM p
ORDER BY cpu_ns DESC
LIMIT 50
