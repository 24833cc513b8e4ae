-- SPDX-License-Identifier: Apache-2.0
-- title: Where in the kernel it waited
-- about: Waits by their innermost kernel function, over all records that carry a stack.
-- param: container text -: only this container, by name or ref
-- In a step of its own, lest each record's payload and summary be made only to be left out again.
WITH e AS MATERIALIZED (SELECT stack, kind, duration_ns FROM v_event WHERE ts_ns > :since AND ts_ns <= :until AND class = 'context'
		AND stack IS NOT NULL AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))),
	s AS (SELECT stack, kind, count(*) AS times, sum(duration_ns) AS waited_ns, max(duration_ns) AS longest_ns FROM e GROUP BY stack, kind)
SELECT substr(k.frames, 1, instr(k.frames || char(10), char(10)) - 1) AS function, s.kind, sum(s.times) AS times,
	sum(s.waited_ns) AS waited_ns, max(s.longest_ns) AS longest_ns
FROM s JOIN v_stack k ON k.stack = s.stack
GROUP BY function, s.kind
ORDER BY waited_ns DESC
LIMIT 50
