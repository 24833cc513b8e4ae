-- SPDX-License-Identifier: Apache-2.0
-- title: What started in the minutes before a moment
-- about: Containers, incidents and kernel messages that began in the time before, newest first.
-- param: at time now: the moment
-- param: before span 5min: how long before it
-- In steps of their own, lest each record's summary be made only to be left out again.
WITH e AS MATERIALIZED (SELECT ts_ns, kind, container FROM v_event
		WHERE ts_ns > :at - :before AND ts_ns <= :at AND class = 'context' AND kind <> 'log'),
	f AS (SELECT min(ts_ns) AS ts_ns, kind, count(*) AS n FROM e GROUP BY kind, container)
SELECT first_ns AS ts_ns, 'container began' AS what, name AS who, image AS detail
FROM v_container
WHERE first_ns > :at - :before AND first_ns <= :at AND kind <> 'host'
UNION ALL
SELECT last_ns, 'container ended', name, coalesce(exit_reason, exit_code)
FROM v_container
WHERE last_ns > :at - :before AND last_ns <= :at
UNION ALL
SELECT onset_ns, 'incident', cause, headline
FROM v_incident
WHERE onset_ns > :at - :before AND onset_ns <= :at
UNION ALL
SELECT ts_ns, 'kernel log', NULL, text
FROM v_log
WHERE ts_ns > :at - :before AND ts_ns <= :at AND priority <= 4
UNION ALL
SELECT ts_ns, 'first ' || kind || ' of ' || n, (SELECT container_name FROM v_event v WHERE v.ts_ns = f.ts_ns),
	(SELECT summary FROM v_event v WHERE v.ts_ns = f.ts_ns)
FROM f
ORDER BY 1 DESC
LIMIT 200
