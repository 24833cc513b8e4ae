-- SPDX-License-Identifier: Apache-2.0
-- title: Who held kernel locks
-- about: Waits for kernel locks by the lock and its holder.
-- param: container text -: only this container, by name or ref
SELECT name AS lock, peer_name AS holder, peer_comm AS holder_task, container_name AS waiter, count(*) AS times,
	sum(duration_ns) AS waited_ns, max(duration_ns) AS longest_ns, max(holder_on_cpu) AS holder_ran
FROM v_lock
WHERE ts_ns > :since AND ts_ns <= :until AND ((:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) OR (:container IS NULL OR peer IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)))
GROUP BY name, peer, peer_comm, container
ORDER BY waited_ns DESC
LIMIT 100
