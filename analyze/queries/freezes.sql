-- SPDX-License-Identifier: Apache-2.0
-- title: What was frozen
-- about: Cgroups and file systems frozen or thawed, and by whom.
SELECT ts_ns, CASE what WHEN 1 THEN 'cgroup frozen' WHEN 2 THEN 'cgroup thawed' WHEN 3 THEN 'file system frozen' ELSE 'file system thawed' END AS what,
	target, container_name AS container, peer_name AS "by", peer_comm AS by_task, tasks, duration_ns
FROM v_freeze
WHERE ts_ns > :since AND ts_ns <= :until
ORDER BY ts_ns DESC
LIMIT 100
