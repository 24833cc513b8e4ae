-- SPDX-License-Identifier: Apache-2.0
-- title: The functions that used most CPU time
-- about: Samples of running tasks by container and innermost function, in the kernel or in a program.
-- param: container text -: only this container, by name or ref
WITH p AS MATERIALIZED (SELECT container, coalesce(stack, user_stack) AS stack, stack IS NULL AS user, sum(samples) AS samples, sum(ns) AS cpu_ns
		FROM v_profile
		WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
		GROUP BY 1, 2, 3),
	f AS (SELECT container, user, samples, cpu_ns, (SELECT frames FROM v_stack k WHERE k.stack = p.stack) || char(10) AS frames FROM p)
SELECT (SELECT name FROM v_container c WHERE c.container = f.container) AS container, substr(frames, 1, instr(frames, char(10)) - 1) AS function,
	CASE user WHEN 1 THEN 'user' ELSE 'kernel' END AS mode, sum(cpu_ns) AS cpu_ns, sum(samples) AS samples
FROM f
GROUP BY f.container, function, user
ORDER BY cpu_ns DESC
LIMIT 50
