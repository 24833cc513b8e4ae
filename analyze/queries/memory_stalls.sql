-- SPDX-License-Identifier: Apache-2.0
-- title: Who had to free memory
-- about: Tasks that reclaimed memory before they could go on, and under whose limit.
-- param: container text -: only this container, by name or ref
SELECT container_name AS stalled, CASE scope WHEN 1 THEN coalesce(peer_name, 'a limit') WHEN 2 THEN 'the node' ELSE 'compaction' END AS under,
	count(*) AS times, sum(duration_ns) AS stalled_ns, max(duration_ns) AS longest_ns, sum(reclaimed_pages) AS pages,
	max(usage_bytes) AS usage_bytes, max(limit_bytes) AS limit_bytes
FROM v_reclaim
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, scope, peer
ORDER BY stalled_ns DESC
LIMIT 100
