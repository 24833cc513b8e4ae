-- SPDX-License-Identifier: Apache-2.0
-- title: Who makes the journal commit
-- about: Time of journal commits by file system and who caused them.
SELECT c.disk, (SELECT name FROM v_container b WHERE b.container = c.by1) AS caused_by, sum(c.by1_ns) AS share_ns, sum(c.sum_ns) AS all_commits_ns, sum(c.count) AS commits,
	sum(c.blocks) AS blocks
FROM v_commit c
WHERE c.ts_ns > :since AND c.ts_ns <= :until
GROUP BY c.disk, c.by1
ORDER BY share_ns DESC
LIMIT 100
