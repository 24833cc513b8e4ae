-- SPDX-License-Identifier: Apache-2.0
-- title: The longest single waits
-- about: Single waits of tasks, whatever they waited for, and who held or woke them.
-- param: container text -: only this container, by name or ref
SELECT s.ts_ns, s.duration_ns, s.pending, s.reason, (SELECT name FROM v_container c WHERE c.container = s.container) AS container, s.pid, s.tid, (SELECT name FROM v_container p WHERE p.container = s.peer) AS peer, s.peer_pid
FROM (SELECT * FROM v_stop s
WHERE s.ts_ns > :since AND s.ts_ns <= :until AND s.reason <> 'sleep' AND (:container IS NULL OR s.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
ORDER BY duration_ns DESC
LIMIT 50) AS s
ORDER BY s.duration_ns DESC
