/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

void fixture_new(struct fixture *f)
{
	const char *tmp = getenv("TMPDIR");

	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "%s/kwhy-unit-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chmod(f->dir, 0755), 0);
	f->config = config_new();
	assert_non_null(f->config);
}

void fixture_set(struct fixture *f, const char *key, const char *value)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	assert_int_equal(config_set(f->config, key, value, &error), 0);
}

void fixture_open(struct fixture *f)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT;

	assert_int_equal(aggregate_new(f->dir, f->config, FIXTURE_BOOT, &f->a, &error), 0);
	assert_string_equal(strbuf_str(&error), "");
}

void fixture_close(struct fixture *f)
{
	aggregate_free(f->a);
	f->a = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_free(struct fixture *f)
{
	fixture_close(f);
	config_free(f->config);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

unsigned int fixture_files(const struct fixture *f, const char *suffix)
{
	char path[PATH_MAX + 16];
	const struct dirent *e;
	unsigned int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/events", f->dir);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		size_t len = strlen(e->d_name), n = strlen(suffix);

		count += len >= n && !strcmp(e->d_name + len - n, suffix);
	}
	if (dir)
		closedir(dir);
	return count;
}

void make_record(union record *r, unsigned int kind, uint64_t ts_ns)
{
	memset(r, 0, sizeof(*r));
	r->event.kind = (uint16_t)kind;
	r->event.payload_size = (uint16_t)kw_kind_by_number(kind)->payload_size;
	r->event.ts_ns = ts_ns;
}

void put(struct fixture *f, const union record *r)
{
	assert_int_equal(aggregate_event(f->a, &r->event), 0);
}

void put_tick(struct fixture *f, uint64_t ts_ns, uint64_t seq)
{
	union record r;

	make_record(&r, KW_KIND_tick, ts_ns);
	PAYLOAD(&r, tick)->seq = seq;
	PAYLOAD(&r, tick)->wall_ns = FIXTURE_OFFSET;
	PAYLOAD(&r, tick)->bpf = 1;
	put(f, &r);
}

void put_cgroup(struct fixture *f, uint64_t ts_ns, unsigned int op, unsigned int hierarchy, uint64_t id,
		const char *path)
{
	union record r;

	make_record(&r, KW_KIND_cgroup, ts_ns);
	PAYLOAD(&r, cgroup)->op = op;
	PAYLOAD(&r, cgroup)->hierarchy = hierarchy;
	PAYLOAD(&r, cgroup)->id = id;
	snprintf(PAYLOAD(&r, cgroup)->path, sizeof(PAYLOAD(&r, cgroup)->path), "%s", path);
	put(f, &r);
}

void put_runq(struct fixture *f, uint64_t ts_ns, uint64_t v2, uint64_t peer_v2, uint64_t duration_ns)
{
	union record r;

	make_record(&r, KW_KIND_runq, ts_ns);
	r.event.duration_ns = duration_ns;
	r.event.subject = (struct kw_party){ .cg.v2 = v2, .pid = 100, .tid = 101, .start_ns = 5, .comm = "victim" };
	if (peer_v2)
		r.event.peer =
			(struct kw_party){ .cg.v2 = peer_v2, .pid = 200, .tid = 201, .start_ns = 6, .comm = "hog" };
	PAYLOAD(&r, runq)->other_ns = duration_ns;
	PAYLOAD(&r, runq)->occupants = 1;
	PAYLOAD(&r, runq)->occ1.v2 = peer_v2;
	PAYLOAD(&r, runq)->occ1_ns = duration_ns;
	memcpy(PAYLOAD(&r, runq)->occ1_comm, "hog", 4);
	put(f, &r);
}

void put_wait(struct fixture *f, uint64_t ts_ns, uint64_t v2, unsigned int reason, uint64_t sum_ns)
{
	union record r;

	make_record(&r, KW_KIND_wait, ts_ns);
	r.event.subject.cg.v2 = v2;
	*PAYLOAD(&r, wait) = (struct kw_wait){
		.span_ns = SEC(1), .reason = reason, .count = 2, .sum_ns = sum_ns, .max_ns = sum_ns / 2
	};
	put(f, &r);
}
