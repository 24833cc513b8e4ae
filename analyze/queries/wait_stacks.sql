-- SPDX-License-Identifier: Apache-2.0
-- title: The stacks in which tasks waited longest
-- about: Waits that carry a stack, by container, kind and stack, innermost function first.
-- param: container text -: only this container, by name or ref
WITH e AS MATERIALIZED (SELECT container, kind, stack, duration_ns FROM v_event WHERE ts_ns > :since AND ts_ns <= :until AND class = 'context'
		AND stack IS NOT NULL AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))),
	s AS (SELECT container, kind, stack, count(*) AS times, sum(duration_ns) AS waited_ns, max(duration_ns) AS longest_ns FROM e GROUP BY container, kind, stack)
SELECT (SELECT name FROM v_container c WHERE c.container = s.container) AS container, kind, times, waited_ns, longest_ns,
	replace((SELECT frames FROM v_stack k WHERE k.stack = s.stack), char(10), ' < ') AS frames
FROM s
ORDER BY waited_ns DESC
LIMIT 50
