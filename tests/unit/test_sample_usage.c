/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of cgroups, and how much of those that idle.  Ordinary files stand in for cgroupfs. */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "base/fileutil.h"
#include "base/timeutil.h"
#include "collect/cgroups.h"
#include "collect/sampler.h"
#include "schema/kinds.h"

#define BOX "cg/box"

extern const struct sampler sampler_usage;

struct fixture {
	char folder[128];
	struct cgroups *cgroups;
	struct sampler_ctx ctx;
	void *sampler;
	struct kw_usage last; /* of the box */
	unsigned int records;
};

static void path_of(const struct fixture *f, const char *name, char ret[256])
{
	snprintf(ret, 256, "%s/%s", f->folder, name);
}

static void make(const struct fixture *f, const char *name)
{
	char path[256];

	path_of(f, name, path);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	path_of(f, name, path);
	file = fopen(path, "w"); /* the same file: it is kept open */
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int announced(void *ctx, const struct kw_event *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

static int take(void *ctx, const struct kw_event *e)
{
	struct fixture *f = ctx;

	assert_int_equal(e->kind, KW_KIND_usage);
	memcpy(&f->last, e + 1, sizeof(f->last));
	f->records++;
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	char proc[256], text[256];

	assert_int_equal(dir_make_temporary(f->folder, sizeof(f->folder), "kwhy-usage"), 0);
	make(f, "proc");
	make(f, "proc/self");
	make(f, "cg");
	make(f, BOX);
	snprintf(text, sizeof(text), "29 23 0:26 / %s/cg rw - cgroup2 none rw\n", f->folder);
	put(f, "proc/self/mountinfo", text);
	put(f, "proc/self/cgroup", "0::/\n");
	put(f, BOX "/cpu.stat", "usage_usec 1000\nuser_usec 600\nsystem_usec 400\n");
	put(f, BOX "/cgroup.events", "populated 1\nfrozen 0\n");
	put(f, BOX "/io.stat", "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");
	put(f, BOX "/memory.current", "4096\n");
	put(f, BOX "/memory.max", "1048576\n");
	path_of(f, "proc", proc);
	assert_int_equal(cgroups_new(proc, announced, f, &f->cgroups), 0);
	cgroups_scan(f->cgroups, 1);
	f->ctx = (struct sampler_ctx){ .cgroups = f->cgroups, .emit = take, .emit_ctx = f };
	assert_int_equal(sampler_usage.open(&f->ctx, &f->sampler), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sampler_usage.close(f->sampler);
	cgroups_free(f->cgroups);
	dir_remove(f->folder);
	test_free(f);
	return 0;
}

static void sample(struct fixture *f, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		f->ctx.now_ns += NSEC_PER_SEC;
		assert_int_equal(sampler_usage.sample(f->sampler, &f->ctx), 0);
	}
}

/* The first two samples and every fifth have everything. */
static void idle_ones_are_looked_at_briefly(void **state)
{
	struct fixture *f = *state;

	sample(f, 3);
	assert_int_equal(f->records, 2);
	assert_int_equal(f->last.cpu_ns, 0);
	assert_int_equal(f->last.memory_bytes, 4096);
	assert_int_equal(f->last.memory_limit_bytes, 1048576);
	put(f, BOX "/memory.current", "8192\n");
	sample(f, 1);
	assert_int_equal(f->records, 3);
	assert_int_equal(f->last.memory_bytes, 4096); /* nobody has asked */
	sample(f, 2);
	assert_int_equal(f->last.memory_bytes, 8192);
}

static void what_runs_is_read_at_once(void **state)
{
	struct fixture *f = *state;

	sample(f, 3);
	put(f, BOX "/memory.current", "8192\n");
	put(f, BOX "/cpu.stat", "usage_usec 1500\nuser_usec 900\nsystem_usec 600\n");
	sample(f, 1);
	assert_int_equal(f->last.cpu_ns, 500 * NSEC_PER_USEC);
	assert_int_equal(f->last.cpu_user_ns, 300 * NSEC_PER_USEC);
	assert_int_equal(f->last.memory_bytes, 8192);
	/* Once more, though it has just come to rest: something may have come after its last instruction. */
	put(f, BOX "/memory.current", "12288\n");
	sample(f, 1);
	assert_int_equal(f->last.cpu_ns, 0);
	assert_int_equal(f->last.memory_bytes, 12288);
}

static void what_is_written_for_it_or_frozen_wakes_it(void **state)
{
	struct fixture *f = *state;

	sample(f, 3);
	put(f, BOX "/memory.current", "8192\n");
	put(f, BOX "/io.stat", "8:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n");
	sample(f, 1);
	assert_int_equal(f->last.io_write_bytes, 512);
	assert_int_equal(f->last.io_writes, 1);
	assert_int_equal(f->last.memory_bytes, 8192);
	sample(f, 4);
	put(f, BOX "/memory.current", "12288\n");
	put(f, BOX "/cgroup.events", "populated 1\nfrozen 1\n");
	sample(f, 1);
	assert_int_equal(f->last.frozen, 1);
	assert_int_equal(f->last.memory_bytes, 12288);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(idle_ones_are_looked_at_briefly, setup, teardown),
		cmocka_unit_test_setup_teardown(what_runs_is_read_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_written_for_it_or_frozen_wakes_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
