-- SPDX-License-Identifier: Apache-2.0
-- One shard of the event store: self-contained, so that a file can be copied, deleted or lost alone.
-- Times are wall-clock nanoseconds since 1970, but for start_ns and pstart_ns (boot time, as the kernel keeps them).

CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE container (
	cid INTEGER PRIMARY KEY,
	ref TEXT NOT NULL,
	name TEXT NOT NULL,
	runtime TEXT,
	id TEXT,
	pod TEXT,
	namespace TEXT,
	image TEXT,
	labels TEXT,
	cgroup TEXT,
	parent INTEGER,
	first_ns INTEGER NOT NULL,
	last_ns INTEGER,
	kind TEXT NOT NULL
) STRICT;

-- The cgroup directories of a container; hierarchy 0 is v2.
CREATE TABLE directory (
	hierarchy INTEGER NOT NULL,
	id INTEGER NOT NULL,
	cid INTEGER NOT NULL,
	inside INTEGER NOT NULL,
	path_hash INTEGER NOT NULL,
	PRIMARY KEY (hierarchy, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE stack (
	hash INTEGER PRIMARY KEY,
	text TEXT NOT NULL
) STRICT;

CREATE TABLE str (
	id INTEGER PRIMARY KEY,
	text TEXT NOT NULL UNIQUE
) STRICT;

-- ts_ns is the rowid: the next free nanosecond when two records share one.  comm and pcomm are rows of str.
CREATE TABLE event (
	ts_ns INTEGER PRIMARY KEY,
	kind INTEGER NOT NULL,
	cid INTEGER,
	pcid INTEGER,
	duration_ns INTEGER NOT NULL,
	error INTEGER NOT NULL,
	flags INTEGER NOT NULL,
	cpu INTEGER NOT NULL,
	pid INTEGER,
	tid INTEGER,
	start_ns INTEGER,
	comm INTEGER,
	ppid INTEGER,
	ptid INTEGER,
	pstart_ns INTEGER,
	pcomm INTEGER,
	stack INTEGER,
	pstack INTEGER,
	payload BLOB NOT NULL
) STRICT;

-- Every index ends with the rowid, that is ts_ns: both serve ranges of time.
CREATE INDEX event_kind ON event (kind);
CREATE INDEX event_container ON event (cid, kind);
