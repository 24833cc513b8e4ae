-- SPDX-License-Identifier: Apache-2.0
-- title: Where in the kernel it waited
-- about: Waits by their innermost kernel function, over all records that carry a stack.
-- param: container text -: only this container, by name or ref
SELECT substr(k.frames, 1, instr(k.frames || char(10), char(10)) - 1) AS function, e.kind, count(*) AS times,
	sum(e.duration_ns) AS waited_ns, max(e.duration_ns) AS longest_ns
FROM v_event e JOIN v_stack k ON k.stack = e.stack
WHERE e.ts_ns > :since AND e.ts_ns <= :until AND e.class = 'context' AND (:container IS NULL OR e.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY function, e.kind
ORDER BY waited_ns DESC
LIMIT 50
