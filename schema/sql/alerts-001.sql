-- SPDX-License-Identifier: Apache-2.0
-- Alerts: what is pending or firing, who silenced what, and what is still to be delivered.  Times are wall-clock
-- nanoseconds since 1970.

CREATE TABLE alert (
	fingerprint TEXT PRIMARY KEY,	-- of the rule's name and the labels
	rule TEXT NOT NULL,
	labels TEXT NOT NULL,		-- JSON object
	annotations TEXT NOT NULL,
	value REAL,
	state TEXT NOT NULL,		-- pending, firing, resolved
	active_ns INTEGER NOT NULL,	-- true since
	fired_ns INTEGER,		-- firing since
	seen_ns INTEGER NOT NULL,	-- true last
	ended_ns INTEGER,
	sent_ns INTEGER,		-- handed to the outbox last
	held_by TEXT NOT NULL DEFAULT '' -- "silence ID" or "alert NAME": not delivered because of it
) STRICT, WITHOUT ROWID;

CREATE TABLE silence (
	id TEXT PRIMARY KEY,
	matchers TEXT NOT NULL,		-- JSON list of {name, op, value}
	author TEXT NOT NULL,
	comment TEXT NOT NULL,
	starts_ns INTEGER NOT NULL,
	ends_ns INTEGER NOT NULL,
	created_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	receiver TEXT NOT NULL,
	body TEXT NOT NULL,
	created_ns INTEGER NOT NULL,
	next_ns INTEGER NOT NULL,
	tries INTEGER NOT NULL DEFAULT 0,
	error TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
