/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a file of the event store one. */
#ifndef KWHY_SCHEMA_STORE_H
#define KWHY_SCHEMA_STORE_H

#define KW_SHARD_APPLICATION_ID 0x6b776879 /* "kwhy": PRAGMA application_id */
#define KW_SHARD_VERSION 2 /* PRAGMA user_version: the number of the newest schema/sql/events-*.sql */

#endif
