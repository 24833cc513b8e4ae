-- SPDX-License-Identifier: Apache-2.0
-- What is known of a container beyond its cgroup and who said it: {"FIELD": ["SOURCE", value], ...}, fields of
-- aggregate/facts.def.

ALTER TABLE container ADD COLUMN facts TEXT;
