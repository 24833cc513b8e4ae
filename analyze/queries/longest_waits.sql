-- SPDX-License-Identifier: Apache-2.0
-- title: The longest single waits
-- about: Single waits of tasks, whatever they waited for, and who held or woke them.
-- param: container text -: only this container, by name or ref
SELECT s.ts_ns, s.duration_ns, s.pending, s.reason, c.name AS container, s.pid, s.tid, p.name AS peer, s.peer_pid
FROM v_stop s
	LEFT JOIN v_container c ON c.container = s.container
	LEFT JOIN v_container p ON p.container = s.peer
WHERE s.ts_ns > :since AND s.ts_ns <= :until AND s.reason <> 'sleep' AND (:container IS NULL OR s.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
ORDER BY s.duration_ns DESC
LIMIT 50
