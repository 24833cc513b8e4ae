/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks as a tree, and as the SVG of it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/flame.h"
#include "web/render_flame.h"

static const struct flame_row rows[] = {
	{ "web", NULL, "php", "libc.so.6+0x10\nphp+0x20\n", "read_zero+0x4\nvfs_read+0x10 [fs]\n", 3000000 },
	{ "web", NULL, "php", "libc.so.6+0x10 (0123456789abcdef)\nphp+0x20\n", "read_zero+0x99\nvfs_read+0x18 [fs]\n", 1000000 },
	{ "web", NULL, "php", "php+0x20\n", NULL, 2000000 },
	{ "db", NULL, "sql", NULL, "schedule+0x1\n", 4000000 },
	{ "db", NULL, "sql", NULL, NULL, 0 },
};

static struct flame *build(void)
{
	struct flame *f = flame_new();

	assert_non_null(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		flame_add(f, FLAME_NOW, &rows[i]);
	return f;
}

/* The child of that name; fails when there is none. */
static unsigned int below(const struct flame *f, unsigned int parent, const char *name)
{
	unsigned int i;

	for (i = flame_node(f, parent)->first; i && strcmp(flame_node(f, i)->name, name); i = flame_node(f, i)->next)
		;
	if (!i)
		fail_msg("%s has no %s", flame_node(f, parent)->name, name);
	return i;
}

static void adds_up(void **state)
{
	struct flame *f = build();
	unsigned int web, php, kernel;

	(void)state;
	flame_sort(f);
	assert_int_equal(flame_node(f, 0)->ns[FLAME_NOW], 10000000);
	web = below(f, 0, "web");
	assert_int_equal(flame_node(f, 0)->first, web); /* the larger one */
	assert_int_equal(flame_node(f, web)->ns[FLAME_NOW], 6000000);
	assert_int_equal(flame_node(f, web)->self_ns[FLAME_NOW], 0);
	php = below(f, below(f, web, "php"), "php+0x20");
	assert_int_equal(flame_node(f, php)->self_ns[FLAME_NOW], 2000000);
	assert_int_equal(flame_node(f, php)->kind, FLAME_USER);
	kernel = below(f, below(f, php, "libc.so.6+0x10"), "vfs_read [fs]");
	kernel = below(f, kernel, "read_zero"); /* one box wherever in the function */
	assert_int_equal(flame_node(f, kernel)->self_ns[FLAME_NOW], 4000000);
	assert_int_equal(flame_node(f, kernel)->kind, FLAME_KERNEL);
	flame_free(f);
}

static void an_id_finds_its_box_again(void **state)
{
	struct flame *f = build(), *g = flame_new();
	unsigned int php = below(f, below(f, 0, "web"), "php");
	uint64_t id = flame_node(f, php)->id;

	(void)state;
	assert_int_equal(flame_find(f, id), php);
	assert_int_equal(flame_find(f, id + 1), 0);
	flame_add(g, FLAME_NOW, &rows[3]);
	assert_int_equal(flame_find(g, id), 0);
	flame_add(g, FLAME_NOW, &rows[0]);
	assert_string_equal(flame_node(g, flame_find(g, id))->name, "php");
	flame_free(f);
	flame_free(g);
}

static void writes_folded_stacks(void **state)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;
	struct flame *f = build();
	const struct flame_row odd = { "a;b\n", "lock", "x y", "\x1b;\n", NULL, 7000 };

	(void)state;
	flame_add(f, FLAME_NOW, &odd);
	flame_folded(f, 1, &out);
	assert_non_null(strstr(strbuf_str(&out), "web;php;php+0x20 2000\n"));
	assert_non_null(strstr(strbuf_str(&out), "web;php;php+0x20;libc.so.6+0x10;vfs_read [fs]_[k];read_zero_[k] 4000\n"));
	assert_non_null(strstr(strbuf_str(&out), "db;sql;schedule_[k] 4000\n"));
	assert_non_null(strstr(strbuf_str(&out), "a?b?;lock;x y;?? 7\n"));
	strbuf_reset(&out);
	flame_add(f, FLAME_BASE, &rows[3]);
	flame_folded(f, 2, &out);
	assert_non_null(strstr(strbuf_str(&out), "db;sql;schedule_[k] 4000 4000\n"));
	assert_non_null(strstr(strbuf_str(&out), "web;php;php+0x20 0 2000\n"));
	flame_free(f);
}

static void tells_the_top(void **state)
{
	struct flame *f = build();
	struct flame_top top[2];

	(void)state;
	assert_int_equal(flame_top(f, 0, 1, top, 2), 2);
	assert_int_equal(top[0].self_ns[FLAME_NOW], 4000000);
	/* Of two windows the one that moved: sql had all of the time, now four tenths. */
	flame_add(f, FLAME_BASE, &rows[3]);
	assert_int_equal(flame_top(f, 0, 2, top, 2), 2);
	assert_string_equal(top[0].name, "schedule");
	assert_int_equal(flame_top(f, below(f, 0, "web"), 1, top, 2), 2);
	assert_string_equal(top[0].name, "read_zero");
	assert_string_equal(top[1].name, "php+0x20");
	flame_free(f);
}

static void is_bounded(void **state)
{
	struct flame *f = flame_new();
	char name[32];

	(void)state;
	for (int i = 0; i < FLAME_NODES_MAX + 10; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		flame_add(f, FLAME_NOW, &(struct flame_row){ .container = name, .ns = 5 });
	}
	assert_int_equal(flame_count(f), FLAME_NODES_MAX);
	assert_int_equal(flame_lost_ns(f), 11 * 5);
	flame_free(f);
}

static void json_is_the_tree(void **state)
{
	struct flame *f = build();
	json_t *tree;

	(void)state;
	flame_sort(f);
	tree = flame_json(f, 0, 1);
	assert_string_equal(json_string_value(json_object_get(tree, "ns")), "10000000");
	assert_int_equal(json_array_size(json_object_get(tree, "children")), 2);
	assert_null(json_object_get(tree, "base_ns"));
	json_decref(tree);
	tree = flame_json(f, 0, 2);
	assert_string_equal(json_string_value(json_object_get(tree, "base_ns")), "0");
	json_decref(tree);
	flame_free(f);
}

static unsigned int count_of(const char *text, const char *part)
{
	unsigned int n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

static void draws_every_box_as_a_link(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	struct flame *f = build();

	(void)state;
	flame_sort(f);
	render_flame(&b, f, 0, 1, "/stacks?zoom=", "CPU <time>");
	assert_int_equal(count_of(strbuf_str(&b), "<a href=\"/stacks?zoom="), flame_count(f));
	assert_int_equal(count_of(strbuf_str(&b), "</a>"), flame_count(f));
	assert_non_null(strstr(strbuf_str(&b), "aria-label=\"CPU &lt;time&gt;\""));
	assert_non_null(strstr(strbuf_str(&b), "x=\"60.000%\"")); /* db, beside web */
	assert_non_null(strstr(strbuf_str(&b), "class=\"f-kernel\""));
	strbuf_reset(&b);
	render_flame(&b, f, below(f, 0, "db"), 1, "/stacks?zoom=", "x");
	assert_int_equal(count_of(strbuf_str(&b), "width=\"100.000%\""), 3);
	strbuf_reset(&b);
	render_flame_path(&b, f, below(f, 0, "db"), "/stacks?zoom=");
	assert_int_equal(count_of(strbuf_str(&b), "<li>"), 2);
	flame_free(f);
}

static void escapes_what_containers_say(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	const struct flame_row row = { "<script>\"'&", NULL, "</svg><img src=x>", "\x01<b>+0x1\n", "<i>+0x1 [<u>]\n", 5 };
	struct flame *f = flame_new();

	(void)state;
	flame_add(f, FLAME_NOW, &row);
	render_flame(&b, f, 0, 1, "/stacks?zoom=", "x");
	render_flame_path(&b, f, 4, "/stacks?zoom=");
	render_flame_top(&b, f, 0, 2);
	assert_null(strstr(strbuf_str(&b), "<script"));
	assert_null(strstr(strbuf_str(&b), "<img"));
	assert_null(strstr(strbuf_str(&b), "<b>"));
	assert_null(strstr(strbuf_str(&b), "<i>"));
	assert_null(strstr(strbuf_str(&b), "<u>"));
	assert_non_null(strstr(strbuf_str(&b), "&lt;script&gt;&quot;"));
	assert_int_equal(count_of(strbuf_str(&b), "<svg"), count_of(strbuf_str(&b), "</svg>"));
	flame_free(f);
}

static void leaves_out_slivers(void **state)
{
	AUTO(strbuf) struct strbuf b = STRBUF_INIT;
	struct flame *f = flame_new();
	const struct flame_row large = { .container = "large", .ns = 1000000 }, small = { .container = "small", .ns = 500 };

	(void)state;
	flame_add(f, FLAME_NOW, &large);
	flame_add(f, FLAME_NOW, &small);
	flame_sort(f);
	render_flame(&b, f, 0, 1, "/stacks?zoom=", "x");
	assert_null(strstr(strbuf_str(&b), "small"));
	assert_non_null(strstr(strbuf_str(&b), " 1 boxes narrower"));
	flame_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_up),
		cmocka_unit_test(an_id_finds_its_box_again),
		cmocka_unit_test(writes_folded_stacks),
		cmocka_unit_test(tells_the_top),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(json_is_the_tree),
		cmocka_unit_test(draws_every_box_as_a_link),
		cmocka_unit_test(escapes_what_containers_say),
		cmocka_unit_test(leaves_out_slivers),
	};

	return cmocka_run_group_tests_name("flame", tests, NULL, NULL);
}
