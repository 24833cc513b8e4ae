-- SPDX-License-Identifier: Apache-2.0
-- Incidents and every revision of their reports.  Times are wall-clock nanoseconds since 1970.

CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest revision of each incident, for lists; report has all of it.
CREATE TABLE incident (
	id TEXT PRIMARY KEY,
	cause TEXT NOT NULL,
	status TEXT NOT NULL,
	severity TEXT NOT NULL,
	confidence TEXT NOT NULL,
	headline TEXT NOT NULL,
	onset_ns INTEGER NOT NULL,
	detected_ns INTEGER NOT NULL,
	end_ns INTEGER,
	revision INTEGER NOT NULL,
	resource_kind TEXT,
	resource_name TEXT,
	culprit INTEGER,
	victims TEXT
) STRICT;

CREATE INDEX incident_onset ON incident (onset_ns);

CREATE TABLE report (
	id TEXT NOT NULL,
	revision INTEGER NOT NULL,
	created_ns INTEGER NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (id, revision)
) STRICT;

-- Copies of the events an incident rests on, so that retention of the event store never eats them.
CREATE TABLE frozen (
	id TEXT NOT NULL,
	ts_ns INTEGER NOT NULL,
	event TEXT NOT NULL,
	PRIMARY KEY (id, ts_ns)
) STRICT, WITHOUT ROWID;
