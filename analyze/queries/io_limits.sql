-- SPDX-License-Identifier: Apache-2.0
-- title: Who is held back by an I/O limit
-- about: Requests that a limit of block I/O held back.
-- param: container text -: only this container, by name or ref
SELECT container_name AS container, disk, CASE "write" WHEN 1 THEN 'write' ELSE 'read' END AS direction, sum(count) AS requests,
	sum(bytes) AS size_bytes, max(duration_ns) AS longest_ns, max(limit_bps) AS limit_bytes_per_s, max(limit_iops) AS limit_requests_per_s
FROM v_iolimit
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, disk, 3
ORDER BY requests DESC
LIMIT 100
