-- SPDX-License-Identifier: Apache-2.0
-- title: Who used the CPU
-- about: CPU time by container, with how much of it was in the kernel.
-- param: container text -: only this container, by name or ref
SELECT (SELECT name FROM v_container c WHERE c.container = u.container) AS container, sum(u.cpu_ns) AS cpu_ns, round(sum(u.cpu_ns) * 1.0 / sum(u.span_ns), 3) AS cpus,
	round(sum(u.cpu_system_ns) * 1.0 / sum(u.cpu_ns), 3) AS kernel_share, sum(u.cpu_throttled_periods) AS throttled_periods
FROM v_usage u
WHERE u.ts_ns > :since AND u.ts_ns <= :until AND (:container IS NULL OR u.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) AND u.container <> 0
GROUP BY u.container
HAVING cpu_ns > 0
ORDER BY cpu_ns DESC
LIMIT 50
