-- SPDX-License-Identifier: Apache-2.0
-- title: Who held user-space and file locks
-- about: Waits for futexes and file locks, and who had them.
-- param: container text -: only this container, by name or ref
SELECT CASE what WHEN 1 THEN 'futex' ELSE 'file lock' END AS lock, name, peer_name AS holder, peer_comm AS holder_task,
	container_name AS waiter, count(*) AS times, sum(duration_ns) AS waited_ns, max(duration_ns) AS longest_ns
FROM v_blocked
WHERE ts_ns > :since AND ts_ns <= :until AND what IN (1, 2, 3) AND ((:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) OR (:container IS NULL OR peer IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)))
GROUP BY 1, name, peer, peer_comm, container
ORDER BY waited_ns DESC
LIMIT 100
