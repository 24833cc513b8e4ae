-- SPDX-License-Identifier: Apache-2.0
-- title: Connections that failed
-- about: Refused, reset and unreachable connections by both ends.
-- param: container text -: only this container, by name or ref
SELECT what, container_name AS container, daddr AS remote, dport AS port, peer_name AS remote_container, count(*) AS times,
	max(ts_ns) AS last_ns
FROM v_netfail
WHERE ts_ns > :since AND ts_ns <= :until AND ((:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) OR (:container IS NULL OR peer IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)))
GROUP BY what, container, daddr, dport, peer
ORDER BY times DESC
LIMIT 100
