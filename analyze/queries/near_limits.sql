-- SPDX-License-Identifier: Apache-2.0
-- title: Who is near a limit
-- about: Memory, tasks and CPU against the limits in force, newest sample, fullest first.
-- param: container text -: only this container, by name or ref
SELECT (SELECT name FROM v_container c WHERE c.container = u.container) AS container, u.memory_bytes, u.memory_limit_bytes, round(u.memory_bytes * 1.0 / u.memory_limit_bytes, 3) AS memory_share,
	u.pids AS tasks, u.pids_limit AS tasks_limit, round(u.pids * 1.0 / u.pids_limit, 3) AS tasks_share,
	round(u.cpu_ns * 1.0 / u.span_ns, 3) AS cpus, round(u.cpu_quota_ns * 1.0 / u.cpu_period_ns, 3) AS cpus_limit, max(u.ts_ns) AS ts_ns
FROM v_usage u
WHERE u.ts_ns > max(:since, :until - 120000000000) AND u.ts_ns <= :until AND (:container IS NULL OR u.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) AND u.container <> 0
GROUP BY u.container
ORDER BY max(coalesce(memory_share, 0), coalesce(tasks_share, 0), coalesce(u.cpu_ns * 1.0 / u.span_ns / cpus_limit, 0)) DESC
LIMIT 50
