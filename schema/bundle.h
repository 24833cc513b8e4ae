/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle: a window of one host's store as one file, an SQLite archive (analyze/archive.h) with
 *   manifest.json       "kwhy.bundle/v1": version, created_ns, from_ns, to_ns, redaction, node, and of each other
 *                       file its name, bytes and sha256
 *   events/NNN.db       the window's rows of each shard, in the schema of schema/sql/events-*.sql
 *   reports/reports.db  the incidents that overlap the window, with every revision of their reports
 *   diagnosis.jsonl     what the analyzer makes of exactly these events, a report a line, without its generator
 *   rules/CAUSE.yaml    the rules in force, config.txt the settings (neither when anything is redacted)
 */
#ifndef KWHY_SCHEMA_BUNDLE_H
#define KWHY_SCHEMA_BUNDLE_H

#define KW_BUNDLE_APPLICATION_ID 0x6b776862 /* "kwhb" */
#define KW_BUNDLE_VERSION 1
#define KW_BUNDLE_SCHEMA "kwhy.bundle/v1"

#endif
