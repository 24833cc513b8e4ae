/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of a report as a graph: who did what to whom, from the root on the left to the victim on the right. */
#ifndef KWHY_WEB_RENDER_CHAIN_H
#define KWHY_WEB_RENDER_CHAIN_H

#include <jansson.h>

#include "base/strbuf.h"

/* chain: { nodes, edges } of report/v1.  Nothing when there is no edge.  The list of edges beside it is its text. */
void render_chain(struct strbuf *b, const json_t *chain);

#endif
