-- SPDX-License-Identifier: Apache-2.0
-- title: Who does not keep up
-- about: Waits at full pipes and local sockets, and who is at the other end.
-- param: container text -: only this container, by name or ref
SELECT CASE what WHEN 4 THEN 'pipe' ELSE 'unix socket' END AS channel, container_name AS writer, comm AS writer_task,
	peer_name AS reader, peer_comm AS reader_task, count(*) AS times, sum(duration_ns) AS waited_ns
FROM v_blocked
WHERE ts_ns > :since AND ts_ns <= :until AND what IN (4, 5) AND ((:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) OR (:container IS NULL OR peer IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)))
GROUP BY what, container, comm, peer, peer_comm
ORDER BY waited_ns DESC
LIMIT 100
