/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a stack, of a foreign bundle say: the tree stays whole, its picture holds no element of the text's. */
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "web/flame.h"
#include "web/render_flame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_picture(const struct flame *f)
{
	static const char *const never[] = { "<script", "<img", "<style", "\033", "<b>" };
	AUTO(strbuf) struct strbuf html = STRBUF_INIT;

	render_flame(&html, f, 0, 2, "/stacks?zoom=", "x");
	render_flame_top(&html, f, 0, 1);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (strstr(strbuf_str(&html), never[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size);
	AUTO(strbuf) struct strbuf folded = STRBUF_INIT;
	struct flame *f = flame_new();

	if (!text || !f)
		abort();
	flame_add(f, FLAME_NOW, &(struct flame_row){ text, NULL, text, text, text, 5000 });
	flame_add(f, FLAME_BASE, &(struct flame_row){ "c", text, "t", NULL, text, 7000 });
	flame_sort(f);
	if (flame_node(f, 0)->ns[FLAME_NOW] != 5000 || flame_node(f, 0)->ns[FLAME_BASE] != 7000)
		abort();
	check_picture(f);
	flame_folded(f, 1, &folded);
	for (const char *c = strbuf_str(&folded); *c; c++)
		if ((unsigned char)*c < 0x20 && *c != '\n')
			abort();
	flame_free(f);
	return 0;
}
