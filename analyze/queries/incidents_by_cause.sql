-- SPDX-License-Identifier: Apache-2.0
-- title: Incidents by cause
-- about: How often each cause made an incident, how long they lasted, and the newest one.
SELECT cause, severity, count(*) AS incidents, sum(coalesce(end_ns, :until) - onset_ns) AS lasted_ns, max(onset_ns) AS onset_ns,
	max(id) AS newest
FROM v_incident
WHERE onset_ns > :since AND onset_ns <= :until
GROUP BY cause, severity
ORDER BY incidents DESC
LIMIT 200
