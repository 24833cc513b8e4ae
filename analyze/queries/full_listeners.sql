-- SPDX-License-Identifier: Apache-2.0
-- title: Listeners that were full
-- about: Connections dropped because nobody accepted them in time.
-- param: container text -: only this container, by name or ref
SELECT container_name AS container, address, port, sum(overflows) AS accept_queue_drops, sum(request_drops) AS request_queue_drops,
	max(queue) AS most_waiting, max(backlog) AS backlog
FROM v_listen
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, address, port
ORDER BY accept_queue_drops + request_queue_drops DESC
LIMIT 100
