-- SPDX-License-Identifier: Apache-2.0
-- title: Who is under pressure
-- about: Share of the time in which some task stalled, by container.
-- param: container text -: only this container, by name or ref
SELECT (SELECT name FROM v_container c WHERE c.container = p.container) AS container, round(sum(p.cpu_some_ns) * 1.0 / sum(p.span_ns), 4) AS cpu, round(sum(p.memory_some_ns) * 1.0 / sum(p.span_ns), 4) AS memory,
	round(sum(p.io_some_ns) * 1.0 / sum(p.span_ns), 4) AS io
FROM v_pressure p
WHERE p.ts_ns > :since AND p.ts_ns <= :until AND (:container IS NULL OR p.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY p.container
HAVING cpu > 0 OR memory > 0 OR io > 0
ORDER BY max(coalesce(cpu, 0), coalesce(memory, 0), coalesce(io, 0)) DESC
LIMIT 100
