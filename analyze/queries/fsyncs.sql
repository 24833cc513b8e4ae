-- SPDX-License-Identifier: Apache-2.0
-- title: Slow fsyncs
-- about: Tasks that waited for fsync, and who filled the journal.
-- param: container text -: only this container, by name or ref
SELECT container_name AS container, comm AS task, disk, count(*) AS times, sum(duration_ns) AS waited_ns, max(duration_ns) AS longest_ns,
	sum(journal_ns) AS for_the_journal_ns, peer_name AS journal_filled_by
FROM v_fsync
WHERE ts_ns > :since AND ts_ns <= :until AND (:container IS NULL OR container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
GROUP BY container, comm, disk, peer
ORDER BY waited_ns DESC
LIMIT 100
