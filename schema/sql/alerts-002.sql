-- SPDX-License-Identifier: Apache-2.0
-- What people said about incidents: who took note of one, who muted its alerts, who took that back.  The newest of an
-- incident counts.

CREATE TABLE mark (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	incident TEXT NOT NULL,
	what TEXT NOT NULL,		-- acknowledged, muted, taken_back
	author TEXT NOT NULL,
	comment TEXT NOT NULL,
	at_ns INTEGER NOT NULL,
	until_ns INTEGER,		-- of a mute
	silence TEXT			-- the one that does the muting
) STRICT;

CREATE INDEX mark_incident ON mark (incident);
