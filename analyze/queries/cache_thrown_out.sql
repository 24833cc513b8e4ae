-- SPDX-License-Identifier: Apache-2.0
-- title: Who threw out whose page cache
-- about: Page cache evicted by somebody else's act.
-- param: container text -: only this container, by name or ref
SELECT container_name AS lost_by, peer_name AS thrown_out_by, peer_comm AS task, sum(bytes) AS size_bytes, max(forced) AS forced,
	max(ts_ns) AS last_ns
FROM v_evict
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, peer, peer_comm
ORDER BY size_bytes DESC
LIMIT 100
