/* SPDX-License-Identifier: Apache-2.0 */
/* What the views over the store are and which columns they have, for those who write queries. */
#ifndef KWHY_ANALYZE_VIEWDOC_H
#define KWHY_ANALYZE_VIEWDOC_H

#include <jansson.h>

/* [ { view, about, columns: [ { name, text } ] } ]: the views of schema/VIEWS.md, then one for each kind of event. */
json_t *viewdoc_json(void);

#endif
