-- SPDX-License-Identifier: Apache-2.0
-- By which names the victims and culprits of an incident go, as its newest revision has them: found in the report's text
-- a list of one container's incidents would have to read all of them.

CREATE TABLE party (
	id TEXT NOT NULL,
	name TEXT NOT NULL,		-- name, ref, cgroup or id of a container
	PRIMARY KEY (id, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX party_name ON party (name);

INSERT OR IGNORE INTO party
SELECT i.id, n.value
FROM incident AS i JOIN report AS r ON r.id = i.id AND r.revision = i.revision, json_each('["victims","culprits"]') AS k,
	json_each(CASE WHEN json_valid(r.body) THEN r.body ELSE '{}' END, '$.' || k.value) AS p, json_each(json_extract(p.value, '$.container')) AS n
WHERE p.type = 'object' AND n.type = 'text' AND n.key IN ('name', 'ref', 'cgroup', 'id');
