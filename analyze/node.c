/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/node.h"

#include "base/cleanup.h"

/* The store's word only: the machine that analyses need not be the one that was recorded. */
json_t *node_json(struct sql *sql)
{
	static const char query[] =
		"SELECT coalesce(node, 'unknown'), coalesce(boot_id, 'unknown'), coalesce(kernel, 'unknown'),"
		" coalesce(arch, 'unknown') FROM v_node ORDER BY first_ns DESC LIMIT 1";
	static const char *const keys[] = { "name", "boot_id", "kernel", "arch" };
	sqlite3_stmt *stmt = sql_get(sql, query);
	bool found = stmt && sqlite3_step(stmt) == SQLITE_ROW;
	json_t *node = json_object();

	for (int i = 0; i < (int)ARRAY_SIZE(keys); i++)
		json_object_set_new(node, keys[i], json_text(found ? sql_text(stmt, i) : "unknown"));
	sql_done(stmt);
	return node;
}

const char *node_boot_id(const json_t *node)
{
	return json_string_value(json_object_get(node, "boot_id"));
}
