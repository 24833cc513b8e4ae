-- SPDX-License-Identifier: Apache-2.0
-- title: Who killed or stopped whom
-- about: Signals that end or stop a task, by sender.
-- param: container text -: only this container, by name or ref
SELECT ts_ns, signal, peer_name AS sender, peer_comm AS sender_task, container_name AS target, comm AS target_task, pid, by_kernel
FROM v_signal
WHERE ts_ns > :since AND ts_ns <= :until AND ((:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) OR (:container IS NULL OR peer IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)))
ORDER BY ts_ns DESC
LIMIT 200
