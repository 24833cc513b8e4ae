/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/paths.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define PARTS_MAX 64 /* the kernel allows deeper trees; what is deeper belongs to what stands above it */
#define HEX_ID_LEN 64

struct part {
	const char *text;
	size_t len;
};

struct split {
	struct part parts[PARTS_MAX];
	size_t count;
};

static const struct {
	const char *prefix;
	const char *runtime;
	bool hex; /* the id is 64 hex digits */
} prefixes[] = {
	{ "docker-", "docker", true },	    { "libpod-payload-", "podman", true },
	{ "libpod-", "podman", true },	    { "cri-containerd-", "containerd", true },
	{ "crio-", "cri-o", true },	    { "nerdctl-", "containerd", true },
	{ "buildkit-", "buildkit", false },
};

/* Directories whose children are containers by their plain name. */
static const struct {
	const char *parent;
	const char *runtime;
	bool top; /* only directly below the root */
} parents[] = {
	{ "default", "containerd", true }, /* ctr without --cgroup: /NAMESPACE/ID */
	{ "lxc", "lxc", false },
	{ "garden", "garden", false },
	{ "buildkit", "buildkit", false },
};

static bool part_is(struct part p, const char *s)
{
	return p.len == strlen(s) && !memcmp(p.text, s, p.len);
}

static bool part_starts(struct part p, const char *s)
{
	return p.len >= strlen(s) && !memcmp(p.text, s, strlen(s));
}

static bool part_ends(struct part p, const char *s)
{
	size_t n = strlen(s);

	return p.len >= n && !memcmp(p.text + p.len - n, s, n);
}

static bool part_contains(struct part p, const char *s)
{
	return memmem(p.text, p.len, s, strlen(s)) != NULL;
}

static struct part part_skip(struct part p, size_t n)
{
	return (struct part){ p.text + n, p.len - n };
}

static struct part part_without(struct part p, const char *suffix)
{
	if (part_ends(p, suffix))
		p.len -= strlen(suffix);
	return p;
}

static bool is_hex(struct part p, size_t len)
{
	if (p.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)p.text[i]) && (p.text[i] < 'a' || p.text[i] > 'f'))
			return false;
	return true;
}

static bool is_id(struct part p)
{
	if (!p.len || p.len >= PATH_ID_LEN)
		return false;
	for (size_t i = 0; i < p.len; i++)
		if (!isalnum((unsigned char)p.text[i]) && !strchr("_.-", p.text[i]))
			return false;
	return true;
}

/* 8-4-4-4-12 with '-' or, in names of slices, '_'. */
static bool is_uuid(struct part p)
{
	if (p.len != 36)
		return false;
	for (size_t i = 0; i < p.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p.text[i] != '-' && p.text[i] != '_' : !isxdigit((unsigned char)p.text[i]))
			return false;
	}
	return true;
}

static void copy_part(char *dst, size_t size, struct part p)
{
	snprintf(dst, size, "%.*s", (int)p.len, p.text);
}

/* "pod<uid>" or "...-pod<uid_>.slice"; static pods have 32 hex digits for a uid. */
static bool pod_uid(struct part p, char ret_uid[40])
{
	p = part_without(p, ".slice");
	for (size_t i = 0; i + 3 < p.len; i++) {
		struct part uid = part_skip(p, i + 3);

		if (memcmp(p.text + i, "pod", 3) || (i && p.text[i - 1] != '-'))
			continue;
		if (!is_uuid(uid) && !is_hex(uid, 32))
			continue;
		copy_part(ret_uid, 40, uid);
		for (char *c = ret_uid; *c; c++)
			if (*c == '_')
				*c = '-';
		return true;
	}
	return false;
}

/* Units beside a container that carry its id, or that systemd makes inside every container. */
static bool is_beside(struct part p)
{
	return part_is(p, "conmon") || part_is(p, "init.scope") || part_ends(p, ".mount") || part_ends(p, ".service") ||
	       part_ends(p, ".socket") || part_ends(p, ".slice") || part_starts(p, "libpod-conmon-") ||
	       part_starts(p, "crio-conmon-") || part_starts(p, "lxc.monitor");
}

static bool claim(struct path_identity *id, const char *runtime, struct part name)
{
	if (!is_id(name))
		return false;
	id->kind = CONTAINER_RUNTIME;
	id->runtime = runtime;
	copy_part(id->id, sizeof(id->id), name);
	return true;
}

static bool claim_prefixed(struct part p, struct path_identity *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct part rest;

		if (!part_starts(p, prefixes[i].prefix))
			continue;
		rest = part_skip(p, strlen(prefixes[i].prefix));
		if (prefixes[i].hex ? is_hex(rest, HEX_ID_LEN) : rest.len >= 20)
			return claim(id, prefixes[i].runtime, rest);
	}
	return false;
}

/* The systemd form SLICE:PREFIX:ID, taken literally by a runtime with the cgroupfs driver. */
static bool claim_colons(struct part p, struct path_identity *id)
{
	const char *first = memchr(p.text, ':', p.len);
	const char *second = first ? memchr(first + 1, ':', (size_t)(p.text + p.len - first - 1)) : NULL;
	struct part rest;

	if (!second)
		return false;
	rest = part_skip(p, (size_t)(second + 1 - p.text));
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i].prefix) - 1;

		if ((size_t)(second - first - 1) != n || memcmp(first + 1, prefixes[i].prefix, n))
			continue;
		if (prefixes[i].hex && !is_hex(rest, HEX_ID_LEN))
			return false;
		pod_uid((struct part){ p.text, (size_t)(first - p.text) }, id->pod);
		return claim(id, prefixes[i].runtime, rest);
	}
	return false;
}

static bool has_ancestor(const struct split *s, size_t below, const char *name)
{
	for (size_t i = 0; i < below; i++)
		if (part_is(s->parts[i], name))
			return true;
	return false;
}

static bool in_pod(const struct split *s, size_t below)
{
	char uid[40];

	for (size_t i = 0; i < below; i++)
		if (pod_uid(s->parts[i], uid))
			return true;
	return false;
}

static const char *runtime_above(const struct split *s, size_t at)
{
	if (at && part_is(s->parts[at - 1], "docker"))
		return "docker";
	if (in_pod(s, at))
		return "kubernetes";
	if (at && (part_is(s->parts[at - 1], "default") || part_is(s->parts[at - 1], "k8s.io")))
		return "containerd";
	if (has_ancestor(s, at, "ecs") || has_ancestor(s, at, "docker"))
		return "docker";
	return "oci";
}

/* A task id, a dash and ten digits: what Fargate names a container's directory. */
static bool is_fargate(struct part p)
{
	if (p.len != 43 || !is_hex((struct part){ p.text, 32 }, 32) || p.text[32] != '-')
		return false;
	for (size_t i = 33; i < p.len; i++)
		if (!isdigit((unsigned char)p.text[i]))
			return false;
	return true;
}

static bool claim_plain(const struct split *s, size_t at, struct path_identity *id)
{
	struct part p = s->parts[at];

	if (is_hex(p, HEX_ID_LEN))
		return claim(id, runtime_above(s, at), p);
	if (is_fargate(p) && has_ancestor(s, at, "ecs"))
		return claim(id, "ecs", p);
	for (size_t i = 0; at && i < ARRAY_SIZE(parents); i++)
		if (part_is(s->parts[at - 1], parents[i].parent) && (!parents[i].top || at == 1))
			return claim(id, parents[i].runtime, p);
	return false;
}

/* systemd escapes other characters in names of units as \xNN. */
static bool claim_escaped(struct path_identity *id, const char *runtime, struct part p)
{
	char name[PATH_ID_LEN];
	size_t n = 0;
	unsigned int byte;

	for (size_t i = 0; i < p.len && n < sizeof(name); n++) {
		if (i + 3 < p.len && p.text[i] == '\\' && p.text[i + 1] == 'x' &&
		    sscanf(p.text + i + 2, "%2x", &byte) == 1) {
			name[n] = (char)byte;
			i += 4;
		} else {
			name[n] = p.text[i++];
		}
	}
	return claim(id, runtime, (struct part){ name, n });
}

static bool claim_machine(struct part p, struct path_identity *id)
{
	if (part_starts(p, "lxc.payload."))
		return claim(id, "lxc", part_skip(p, strlen("lxc.payload.")));
	if (part_starts(p, "machine-") && part_ends(p, ".scope")) {
		p = part_without(part_skip(p, strlen("machine-")), ".scope");
		return claim_escaped(id, part_starts(p, "qemu") ? "qemu" : "systemd-nspawn", p);
	}
	if (part_starts(p, "systemd-nspawn@") && part_ends(p, ".service"))
		return claim_escaped(id, "systemd-nspawn",
				     part_without(part_skip(p, strlen("systemd-nspawn@")), ".service"));
	return false;
}

static bool classify(const struct split *s, size_t at, struct path_identity *id)
{
	struct part p = s->parts[at];

	if (claim_machine(p, id))
		return true;
	if (is_beside(p))
		return false;
	return claim_colons(p, id) || claim_prefixed(part_without(p, ".scope"), id) || claim_plain(s, at, id);
}

static void split_path(const char *path, struct split *s)
{
	s->count = 0;
	while (s->count < PARTS_MAX) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			return;
		s->parts[s->count++] = (struct part){ path, len };
		path += len;
	}
}

static const char *qos_above(const struct split *s, size_t pod_at)
{
	for (size_t i = 0; i <= pod_at && i < s->count; i++) {
		if (part_contains(s->parts[i], "besteffort"))
			return "besteffort";
		if (part_contains(s->parts[i], "burstable"))
			return "burstable";
	}
	return "guaranteed";
}

/* The nearest pod at or above the given part; s->count when there is none. */
static size_t find_pod(const struct split *s, size_t from, struct path_identity *id)
{
	for (size_t i = from + 1; i-- > 0;)
		if (pod_uid(s->parts[i], id->pod))
			return i;
	return s->count;
}

static size_t end_of(const struct split *s, size_t at, const char *path)
{
	return (size_t)(s->parts[at].text + s->parts[at].len - path);
}

void path_identify(const char *path, struct path_identity *ret_identity)
{
	struct path_identity id = { .kind = CONTAINER_CGROUP, .runtime = "", .qos = "", .length = strlen(path) };
	struct split s;
	size_t pod_at;

	split_path(path, &s);
	if (!s.count) {
		id.kind = CONTAINER_HOST;
		*ret_identity = id;
		return;
	}
	for (size_t i = s.count; i-- > 0;) {
		if (!classify(&s, i, &id))
			continue;
		id.length = end_of(&s, i, path);
		s.count = i + 1;
		break;
	}
	if (id.pod[0]) { /* the pod stood in the container's own part */
		id.qos = qos_above(&s, s.count - 1);
	} else if ((pod_at = find_pod(&s, s.count - 1, &id)) < s.count) {
		id.qos = qos_above(&s, pod_at);
		if (id.kind == CONTAINER_CGROUP && pod_at == s.count - 1)
			id.kind = CONTAINER_POD;
	}
	*ret_identity = id;
}

const char *container_kind_name(enum container_kind kind)
{
	switch (kind) {
	case CONTAINER_HOST:
		return "host";
	case CONTAINER_CGROUP:
		return "cgroup";
	case CONTAINER_RUNTIME:
		return "container";
	case CONTAINER_POD:
		return "pod";
	}
	return "cgroup";
}
