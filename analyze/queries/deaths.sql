-- SPDX-License-Identifier: Apache-2.0
-- title: Who died by a signal
-- about: Tasks that a signal ended, with how long they had lived.
-- param: container text -: only this container, by name or ref
SELECT ts_ns, container_name AS container, comm AS task, pid, signal, core AS core_dumped, lifetime_ns
FROM v_exit
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
ORDER BY ts_ns DESC
LIMIT 200
