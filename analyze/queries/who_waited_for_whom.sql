-- SPDX-License-Identifier: Apache-2.0
-- title: Who made whom wait
-- about: Blamed waiting time by resource, victim and culprit.
-- param: container text -: only this container, by name or ref
SELECT b.resource, (SELECT name FROM v_container c WHERE c.container = b.victim) AS victim,
	coalesce((SELECT name FROM v_container c WHERE c.container = b.culprit), b.sink) AS culprit, sum(b.ns) AS waited_ns, sum(b.count) AS waits,
	b.culprit_comm AS task
FROM v_blame b
WHERE b.ts_ns > :since AND b.ts_ns <= :until AND (:container IS NULL OR b.victim IN (SELECT container FROM v_container WHERE name = :container OR ref = :container)) AND b.culprit IS NOT b.victim
GROUP BY b.resource, b.victim, b.culprit, b.sink
ORDER BY waited_ns DESC
LIMIT 100
