-- SPDX-License-Identifier: Apache-2.0
-- title: Limits that were reached
-- about: Tasks, descriptors and mappings at their limit.
-- param: container text -: only this container, by name or ref
SELECT container_name AS container, comm AS task, CASE what WHEN 1 THEN 'tasks of a cgroup' WHEN 2 THEN 'descriptors of a process'
	WHEN 3 THEN 'mappings of a process' WHEN 4 THEN 'tasks of a user' ELSE 'number ' || what END AS limited, peer_name AS limit_of,
	max(used) AS used, max("limit") AS allowed, sum(failures) AS refused, max(ts_ns) AS last_ns
FROM v_limit
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, comm, what, peer
ORDER BY last_ns DESC
LIMIT 100
