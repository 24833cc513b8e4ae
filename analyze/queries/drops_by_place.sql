-- SPDX-License-Identifier: Apache-2.0
-- title: Packets dropped, by place
-- about: Where in the kernel packets were dropped, why and whose they were.
-- param: container text -: only this container, by name or ref
SELECT class, reason_name AS reason, place, container_name AS container, device, count(*) AS packets, sum(bytes) AS size_bytes
FROM v_drop
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY class, reason_name, place, container, device
ORDER BY packets DESC
LIMIT 100
