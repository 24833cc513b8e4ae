/* SPDX-License-Identifier: Apache-2.0 */
/* A flame graph as inline SVG, complete without scripts: every box is a link that zooms to it. */
#ifndef KWHY_WEB_RENDER_FLAME_H
#define KWHY_WEB_RENDER_FLAME_H

#include "base/strbuf.h"
#include "web/flame.h"

/*
 * The boxes below (and with) node `from`, the root at the top.  link: the address up to the id of a node, as it stands
 * in HTML.  label: what the whole is, for those who do not see it.
 */
void render_flame(struct strbuf *b, const struct flame *f, unsigned int from, int windows, const char *link,
		  const char *label);
/* The path from the root to `from`, as links. */
void render_flame_path(struct strbuf *b, const struct flame *f, unsigned int from, const char *link);
/* The frames in which most time was spent, or whose share moved most between the windows. */
void render_flame_top(struct strbuf *b, const struct flame *f, unsigned int from, int windows);

#endif
