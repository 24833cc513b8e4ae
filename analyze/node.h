/* SPDX-License-Identifier: Apache-2.0 */
/* What the store says about the host it was recorded on. */
#ifndef KWHY_ANALYZE_NODE_H
#define KWHY_ANALYZE_NODE_H

#include <jansson.h>

#include "analyze/sql.h"

/* { name, boot_id, kernel, arch }; "unknown" where the store does not say.  New reference. */
json_t *node_json(struct sql *sql);
const char *node_boot_id(const json_t *node);

#endif
