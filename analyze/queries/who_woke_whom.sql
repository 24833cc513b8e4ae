-- SPDX-License-Identifier: Apache-2.0
-- title: Who woke whom
-- about: Sleeps of tasks that a task of another container ended: whom a container waits for, even if no lock or pipe was seen.
-- param: container text -: only those that slept in this container, by name or ref
SELECT (SELECT name FROM v_container c WHERE c.container = w.container) AS slept, (SELECT name FROM v_container c WHERE c.container = w.waker) AS woken_by,
	w.waker_comm AS task, sum(w.count) AS times, sum(w.sum_ns) AS slept_ns, max(w.max_ns) AS longest_ns
FROM v_wakeup w
WHERE w.ts_ns > :since AND w.ts_ns <= :until AND (:container IS NULL OR w.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY w.container, w.waker, w.waker_comm
ORDER BY slept_ns DESC
LIMIT 100
