-- SPDX-License-Identifier: Apache-2.0
-- title: What containers wait for
-- about: Waiting time by container and reason, with the longest wait.
-- param: container text -: only this container, by name or ref
SELECT (SELECT name FROM v_container c WHERE c.container = w.container) AS container, w.reason, sum(w.wait_ns) AS waited_ns, sum(w.count) AS waits, max(w.max_ns) AS longest_ns
FROM v_wait w
WHERE w.ts_ns > :since AND w.ts_ns <= :until AND (:container IS NULL OR w.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY w.container, w.reason
ORDER BY waited_ns DESC
LIMIT 100
