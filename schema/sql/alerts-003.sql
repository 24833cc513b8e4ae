-- SPDX-License-Identifier: Apache-2.0
-- Alerts that were resolved, each life of its own: what was firing at a past moment can still be told.

CREATE TABLE past_alert (
	fingerprint TEXT NOT NULL,
	active_ns INTEGER NOT NULL,
	rule TEXT NOT NULL,
	labels TEXT NOT NULL,
	annotations TEXT NOT NULL,
	value REAL,
	fired_ns INTEGER,
	seen_ns INTEGER NOT NULL,
	ended_ns INTEGER NOT NULL,
	sent_ns INTEGER,
	held_by TEXT NOT NULL,
	PRIMARY KEY (fingerprint, active_ns)
) STRICT, WITHOUT ROWID;

CREATE INDEX past_alert_ended ON past_alert (ended_ns);
