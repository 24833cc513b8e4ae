-- SPDX-License-Identifier: Apache-2.0
-- title: What kwhy itself lost
-- about: Books of every probe over the time: emitted, stored, lost and suppressed.
SELECT probe, max(emitted) - min(emitted) AS emitted, max(stored) - min(stored) AS stored, max(lost_ring) - min(lost_ring) AS lost_ring,
	max(suppressed) - min(suppressed) AS suppressed, max(lost_other) - min(lost_other) AS lost_other,
	max(run_ns) - min(run_ns) AS cost_ns
-- They only grow, and no probe is silent for longer than kw_silence_ns(): the beginning and the end are enough.
FROM (SELECT * FROM v_coverage WHERE ts_ns > :since
		AND ts_ns <= (SELECT ts_ns FROM v_tick WHERE ts_ns > :since ORDER BY ts_ns LIMIT 1) + kw_silence_ns()
	UNION ALL
	SELECT * FROM v_coverage
	WHERE ts_ns > (SELECT ts_ns FROM v_tick WHERE ts_ns <= :until ORDER BY ts_ns DESC LIMIT 1) - kw_silence_ns() AND ts_ns <= :until)
GROUP BY probe
ORDER BY lost_ring + lost_other + suppressed DESC, emitted DESC
LIMIT 200
