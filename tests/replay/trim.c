/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trim IN OUT [PATTERN]: a capture without the machine it was taken on.
 *
 * Kept are the host's own records and those of cgroups that were made while the capture ran, of those at the top of the
 * hierarchy whose name matches PATTERN (an extended regular expression): the containers of the fault.  The node is called "host".  Of every other cgroup, what it suffered is left out, and where it was the one
 * somebody waited for it becomes the host, so that no sum changes.  Left out are also packets of the host itself, for
 * their addresses, but not those met by nobody in a network namespace of the fault; stacks nobody refers to any more, and what a distribution adds to the kernel's version.
 * Nothing else is touched: books, times, pids and payloads are those of the run.  Trimming twice changes nothing.
 */
#include <errno.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "aggregate/capture.h"
#include "aggregate/record.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/strbuf.h"

#define TOPS_MAX 4096
#define KEYS_MAX 65536
#define ROOT_ID 1 /* of the root directory of every hierarchy */

enum cgroup_op { OP_MADE = 2 };

/* First components of cgroup paths. */
struct names {
	char items[TOPS_MAX][64];
	size_t count;
};

struct trim {
	const char *in;
	struct names made, others;
	regex_t *pattern;	/* NULL: any */
	struct hashmap *keys;	/* hierarchy and directory of what is kept */
	struct hashmap *stacks; /* content hashes referred to */
	struct hashmap *netns, *host_netns; /* inodes of network namespaces: of what is kept, and the host's own */
	struct capture_writer *out;
	unsigned long kept, dropped;
};

typedef int (*record_fn)(struct trim *t, const struct kw_event *event);

static char present; /* what the two sets point to */

static void first_component(const char *path, char ret[64])
{
	path += *path == '/';
	snprintf(ret, 64, "%.*s", (int)MIN(strcspn(path, "/"), 63U), path);
}

static bool has_name(const struct names *n, const char *name)
{
	for (size_t i = 0; i < n->count; i++)
		if (!strcmp(n->items[i], name))
			return true;
	return false;
}

static int add_name(struct names *n, const char *name)
{
	if (has_name(n, name))
		return 0;
	if (n->count == TOPS_MAX)
		return -ENOSPC;
	snprintf(n->items[n->count++], sizeof(n->items[0]), "%s", name);
	return 0;
}

static const struct kw_cgroup *as_cgroup(const struct kw_event *event)
{
	return event->kind == KW_KIND_cgroup ? record_payload(event) : NULL;
}

static bool cgroup_kept(const struct trim *t, const struct kw_cgroup *cg)
{
	char top[64];

	first_component(cg->path, top);
	return !*top || has_name(&t->made, top);
}

/* ---- what to keep, pass by pass -------------------------------------------------------------------------------- */

static int find_made(struct trim *t, const struct kw_event *event)
{
	const struct kw_cgroup *cg = as_cgroup(event);
	char top[64];

	if (!cg || cg->op != OP_MADE)
		return 0;
	first_component(cg->path, top);
	/* Only the top itself: something made below what was there before is not the fault's. */
	if (strcmp(cg->path + (*cg->path == '/'), top) || (t->pattern && regexec(t->pattern, top, 0, NULL, 0)))
		return 0;
	return add_name(&t->made, top);
}

static int find_keys(struct trim *t, const struct kw_event *event)
{
	const struct kw_cgroup *cg = as_cgroup(event);
	uint64_t key;
	char top[64];

	if (!cg)
		return 0;
	first_component(cg->path, top);
	if (!cgroup_kept(t, cg))
		return add_name(&t->others, top);
	key = (uint64_t)cg->hierarchy << KW_CG_V1_SHIFT | (cg->id & KW_CG_ID_MASK);
	return hashmap_put(t->keys, &key, &present, NULL);
}

static bool key_kept(const struct trim *t, uint64_t key)
{
	return (key & KW_CG_ID_MASK) <= ROOT_ID || hashmap_get(t->keys, &key);
}

static bool cg_kept(const struct trim *t, const struct kw_cg *cg)
{
	return key_kept(t, cg->v2) && key_kept(t, cg->v1);
}

static bool is_host(const struct kw_cg *cg)
{
	return (cg->v2 & KW_CG_ID_MASK) <= ROOT_ID && (cg->v1 & KW_CG_ID_MASK) <= ROOT_ID;
}

/* Kernel log and freeze targets may name cgroups in their text. */
static bool names_others(const struct trim *t, const char *text, size_t size)
{
	char copy[KW_RECORD_MAX], name[68];

	snprintf(copy, sizeof(copy), "%.*s", (int)size, text);
	for (size_t i = 0; i < t->others.count; i++) {
		snprintf(name, sizeof(name), "/%s", t->others.items[i]);
		if (strstr(copy, name))
			return true;
	}
	return false;
}

static bool has_address(const struct kw_event *event, const struct kw_field *f)
{
	static const unsigned char none[16];

	return memcmp((const char *)record_payload(event) + f->offset, none, sizeof(none)) != 0;
}

/* 0: the record names none. */
static uint64_t netns_of(const struct kw_event *event)
{
	const struct kw_kind_info *info = kw_kind_by_number(event->kind);
	uint64_t netns = 0;

	for (const struct kw_field *f = info->fields; f->name; f++)
		if (!strcmp(f->name, "netns") && (size_t)f->offset + f->size <= event->payload_size && f->size <= sizeof(netns))
			memcpy(&netns, (const char *)record_payload(event) + f->offset, f->size);
	return netns;
}

static int find_netns(struct trim *t, const struct kw_event *event)
{
	bool host = is_host(&event->subject.cg);
	uint64_t netns;

	if (event->kind != KW_KIND_netstat || !cg_kept(t, &event->subject.cg))
		return 0;
	netns = netns_of(event);
	return hashmap_put(host ? t->host_netns : t->netns, &netns, &present, NULL);
}

static bool in_netns_of_fault(const struct trim *t, const struct kw_event *event)
{
	uint64_t netns = netns_of(event);

	return netns && hashmap_get(t->netns, &netns) && !hashmap_get(t->host_netns, &netns);
}

static bool event_kept(const struct trim *t, const struct kw_event *event)
{
	const struct kw_kind_info *info = kw_kind_by_number(event->kind);
	const struct kw_cgroup *cg = as_cgroup(event);

	if (cg)
		return cgroup_kept(t, cg);
	if (event->kind == KW_KIND_stack)
		return true;
	if (!cg_kept(t, &event->subject.cg))
		return false;
	for (const struct kw_field *f = info->fields; f->name; f++) {
		if (f->offset >= event->payload_size)
			break; /* of an older version */
		if (f->type == KW_TYPE_ADDR && is_host(&event->subject.cg) && has_address(event, f) && !in_netns_of_fault(t, event))
			return false;
		if (f->type == KW_TYPE_STR && names_others(t, (const char *)record_payload(event) + f->offset, f->size))
			return false;
	}
	return true;
}

static int find_stacks(struct trim *t, const struct kw_event *event)
{
	int r = 0;

	if (!event_kept(t, event))
		return 0;
	if (event->stack)
		r = hashmap_put(t->stacks, &event->stack, &present, NULL);
	if (!r && event->peer_stack)
		r = hashmap_put(t->stacks, &event->peer_stack, &present, NULL);
	return r;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void make_host(struct kw_cg *cg)
{
	if (cg->v1)
		cg->v1 = (cg->v1 & ~KW_CG_ID_MASK) | ROOT_ID;
	if (cg->v2)
		cg->v2 = ROOT_ID;
}

static void rename_party(const struct trim *t, struct kw_party *p)
{
	if (cg_kept(t, &p->cg))
		return;
	make_host(&p->cg);
	memset(p->comm, 0, sizeof(p->comm));
	memcpy(p->comm, "other", 5);
}

/* The texts that belong to a cgroup field carry its name before an underscore. */
static void rename_texts(unsigned char *payload, const struct kw_field *fields, const char *name)
{
	size_t len = strlen(name);

	for (const struct kw_field *f = fields; f->name; f++)
		if (f->type == KW_TYPE_STR && !strncmp(f->name, name, len) && f->name[len] == '_') {
			memset(payload + f->offset, 0, f->size);
			memcpy(payload + f->offset, "other", MIN(f->size, 5U));
		}
}

static void rename_others(const struct trim *t, union record *r, const struct kw_kind_info *info)
{
	unsigned char *payload = r->bytes + sizeof(struct kw_event);

	rename_party(t, &r->event.peer);
	for (const struct kw_field *f = info->fields; f->name; f++) {
		struct kw_cg cg;

		if (f->type != KW_TYPE_CG)
			continue;
		memcpy(&cg, payload + f->offset, sizeof(cg));
		if (cg_kept(t, &cg))
			continue;
		make_host(&cg);
		memcpy(payload + f->offset, &cg, sizeof(cg));
		rename_texts(payload, info->fields, f->name);
	}
}

static bool stack_wanted(const struct trim *t, const struct kw_event *event)
{
	const struct kw_stack *stack = record_payload(event);

	return hashmap_get(t->stacks, &stack->hash);
}

static int write_record(struct trim *t, const struct kw_event *event)
{
	const struct kw_kind_info *info = kw_kind_by_number(event->kind);
	union record copy;

	if (!event_kept(t, event) || (event->kind == KW_KIND_stack && !stack_wanted(t, event))) {
		t->dropped++;
		return 0;
	}
	memcpy(copy.bytes, event, sizeof(*event) + event->payload_size);
	if (event->kind != KW_KIND_stack)
		rename_others(t, &copy, info);
	t->kept++;
	return capture_write(t->out, &copy.event);
}

/* ---- passes ---------------------------------------------------------------------------------------------------- */

static int each_record(struct trim *t, record_fn fn, struct capture_header *ret_header)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct capture_reader *c;
	const struct kw_event *event;
	int r = capture_open(t->in, &c, ret_header, &err);

	if (r) {
		fprintf(stderr, "%s\n", strbuf_str(&err));
		return r;
	}
	while (fn && (r = capture_read(c, &event)) > 0) {
		r = fn(t, event);
		if (r)
			break;
	}
	capture_free(c);
	return r;
}

static int write_all(struct trim *t, const char *path)
{
	struct capture_header header;
	int r = each_record(t, NULL, &header), closed;
	size_t kernel;

	memset(header.node, 0, sizeof(header.node));
	snprintf(header.node, sizeof(header.node), "host");
	kernel = strspn(header.kernel, "0123456789.");
	memset(header.kernel + kernel, 0, sizeof(header.kernel) - kernel);
	if (!r)
		r = capture_create(path, &header, 0, &t->out);
	if (!r)
		r = each_record(t, write_record, &header);
	closed = capture_close(t->out);
	return r ? r : closed;
}

int main(int argc, char **argv)
{
	static struct trim t;
	struct capture_header header;
	regex_t pattern;
	int r;

	if (argc < 3 || argc > 4 || (argc == 4 && regcomp(&pattern, argv[3], REG_EXTENDED | REG_NOSUB))) {
		fprintf(stderr, "usage: trim IN.kwcap OUT.kwcap [PATTERN]\n");
		return 2;
	}
	t.pattern = argc == 4 ? &pattern : NULL;
	t.in = argv[1];
	t.keys = hashmap_new(sizeof(uint64_t), KEYS_MAX);
	t.stacks = hashmap_new(sizeof(uint64_t), KEYS_MAX);
	t.netns = hashmap_new(sizeof(uint64_t), KEYS_MAX);
	t.host_netns = hashmap_new(sizeof(uint64_t), KEYS_MAX);
	r = t.keys && t.stacks && t.netns && t.host_netns ? 0 : -ENOMEM;
	if (!r)
		r = each_record(&t, find_made, &header);
	if (!r)
		r = each_record(&t, find_keys, &header);
	if (!r)
		r = each_record(&t, find_netns, &header);
	if (!r)
		r = each_record(&t, find_stacks, &header);
	if (!r)
		r = write_all(&t, argv[2]);
	hashmap_free(t.keys);
	hashmap_free(t.stacks);
	hashmap_free(t.netns);
	hashmap_free(t.host_netns);
	if (t.pattern)
		regfree(t.pattern);
	if (r) {
		fprintf(stderr, "trim: %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	printf("%lu records kept, %lu left out\n", t.kept, t.dropped);
	return 0;
}
