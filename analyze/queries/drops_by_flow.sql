-- SPDX-License-Identifier: Apache-2.0
-- title: Packets dropped, by flow
-- about: Which connections lost packets on this host.
-- param: container text -: only this container, by name or ref
-- param: port int -: only to this port
SELECT saddr AS source, daddr AS destination, dport AS port, protocol, class, count(*) AS packets, min(ts_ns) AS first_ns,
	max(ts_ns) AS last_ns
FROM v_drop
WHERE ts_ns > :since AND ts_ns <= :until AND (:port IS NULL OR dport = :port) AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY saddr, daddr, dport, protocol, class
ORDER BY packets DESC
LIMIT 100
