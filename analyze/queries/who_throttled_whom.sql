-- SPDX-License-Identifier: Apache-2.0
-- title: Who throttled whom
-- about: Tasks stopped by a CPU quota, and whose quota it was.
-- param: container text -: only this container, by name or ref
SELECT container_name AS stopped, coalesce(peer_name, container_name) AS quota_of, count(*) AS times,
	sum(duration_ns) AS sum_ns, max(duration_ns) AS longest_ns, max(quota_ns) AS quota_ns, max(period_ns) AS period_ns
FROM v_throttle
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, peer
ORDER BY sum_ns DESC
LIMIT 100
