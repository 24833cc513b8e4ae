-- SPDX-License-Identifier: Apache-2.0
-- title: Segments sent again
-- about: TCP retransmissions by container and peer, with the round-trip time.
-- param: container text -: only this container, by name or ref
SELECT container_name AS container, daddr AS peer, dport AS port, count(*) AS segments, max(retransmits) AS timeouts_in_a_row,
	avg(srtt_ns) AS srtt_ns
FROM v_retransmit
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, daddr, dport
ORDER BY segments DESC
LIMIT 100
