-- SPDX-License-Identifier: Apache-2.0
-- title: Out-of-memory kills
-- about: Who was killed, under whose limit, and who asked for the memory.
-- param: container text -: only this container, by name or ref
SELECT o.ts_ns, o.container_name AS killed, o.comm AS task, o.pid, l.name AS limit_of, o.usage_bytes, o.limit_bytes,
	o.victim_anon_bytes AS task_bytes, o.peer_name AS allocating, o.peer_comm AS allocating_task
FROM v_oom o LEFT JOIN v_container l ON l.container = o."limit"
WHERE o.ts_ns > :since AND o.ts_ns <= :until AND (:container IS NULL OR o.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
ORDER BY o.ts_ns DESC
LIMIT 100
