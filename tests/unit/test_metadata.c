/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of metadata over a tree of real files of each runtime (tests/containers/fixtures), and over hostile ones.
 * What runtimes do at work is tests/containers/run.sh.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/facts.h"
#include "aggregate/kube.h"
#include "aggregate/metadata.h"
#include "aggregate/oci.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

#define FIXTURES "tests/containers/fixtures/"
#define POD "/kubepods/burstable/pod11111111-2222-3333-4444-555555555555/"
#define CRI_ID "c336178bb19986284db1f31e64d2c7cb2838e93dda0b1f7522678d35fe704d6c"
#define SANDBOX_ID "e8d036b5143e1c0f07aa50e9d4511ce1e5b9d47e3818665979d709bb53dd9ef2"
#define CRIO_ID "b87c0973f745c2d2e6aa7b09457d4198cfbc9711d17c2750a8e70c5244e30b93"
#define DOCKER_ID "b4117511e791e8654dee80a6e40ff20d6b754c6b1d80a82adf10a104befbb7b9"
#define PODMAN_ID "6612cfcbd81ee1fcac1ed2dd9cb90d544049898f34cc3bfa7ef173e81f7d2193"
#define PATIENCE_NS (120 * NSEC_PER_SEC) /* for what has to come; how long it took is not judged */
#define TASKS "/run/containerd/io.containerd.runtime.v2.task/"

struct tree {
	char root[64];
	struct config *config;
	struct metadata *m;
	uint64_t next_id;
	struct kw_source state; /* of the source that was seen last with something malformed */
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	snprintf(t->root, sizeof(t->root), "/tmp/kwhy-metadata-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	t->config = config_new();
	t->next_id = 100;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;

	metadata_free(t->m);
	config_free(t->config);
	nftw(t->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

static void full_path(const struct tree *t, const char *path, char ret[PATH_MAX])
{
	char *slash;

	snprintf(ret, PATH_MAX, "%s%s", t->root, path);
	slash = strrchr(ret, '/');
	*slash = '\0';
	assert_int_equal(dir_make(ret, 0755), 0);
	*slash = '/';
}

static void write_file(const struct tree *t, const char *path, const char *text, size_t len)
{
	char full[PATH_MAX];

	full_path(t, path, full);
	assert_int_equal(file_write_atomic(full, text, len, 0644), 0);
}

static void copy_file(const struct tree *t, const char *fixture, const char *path)
{
	AUTO_FREE char *text = NULL;
	char from[256];
	size_t len;

	snprintf(from, sizeof(from), FIXTURES "%s", fixture);
	assert_int_equal(file_read_alloc(AT_FDCWD, from, 1 << 20, &text, &len), 0);
	write_file(t, path, text, len);
}

static void copy_all(const struct tree *t)
{
	copy_file(t, "containerd-cri/container_config.json", TASKS "k8s.io/" CRI_ID "/config.json");
	copy_file(t, "containerd-cri/sandbox_config.json", TASKS "k8s.io/" SANDBOX_ID "/config.json");
	copy_file(t, "containerd-ctr/config.json", TASKS "default/ctr-demo/config.json");
	copy_file(t, "docker/oci_config.json", TASKS "moby/" DOCKER_ID "/config.json");
	copy_file(t, "docker/config.v2.json", "/var/lib/docker/containers/" DOCKER_ID "/config.v2.json");
	copy_file(t, "docker/hostconfig.json", "/var/lib/docker/containers/" DOCKER_ID "/hostconfig.json");
	copy_file(t, "crio/container_config.json",
		  "/run/containers/storage/overlay-containers/" CRIO_ID "/userdata/config.json");
	copy_file(t, "podman/oci_config.json",
		  "/run/containers/storage/overlay-containers/" PODMAN_ID "/userdata/config.json");
	copy_file(t, "podman/containers.json", "/var/lib/containers/storage/overlay-containers/containers.json");
}

static void open_sources(struct tree *t)
{
	assert_int_equal(metadata_new(t->config, t->root, &t->m), 0);
}

/* Merges what comes within the time into *facts; ends early once it has that field. */
static void take(struct tree *t, uint64_t v2, const char *until, int64_t within_ns, char **facts)
{
	int64_t end_ns = time_boot_ns() + within_ns;
	union record rec;

	while (time_boot_ns() < end_ns && !(until && facts_have(*facts, until))) {
		const struct kw_identity *p = (void *)(rec.bytes + sizeof(rec.event));

		if (!metadata_next(t->m, &rec)) {
			usleep(1000);
			continue;
		}
		if (rec.event.kind == KW_KIND_identity && rec.event.subject.cg.v2 == v2)
			assert_true(facts_merge(facts, p->source, p->fields) >= 0);
	}
}

static char *facts_of(struct tree *t, const char *path, uint32_t maker, uint32_t member, const char *until)
{
	struct kw_cg cg = { .v2 = t->next_id++ };
	char *facts = NULL;

	metadata_ask(t->m, &cg, path, maker, member, "");
	take(t, cg.v2, until, until ? PATIENCE_NS : 120 * NSEC_PER_MSEC, &facts);
	return facts;
}

static void expect(const char *facts, const char *field, const char *source, const char *value)
{
	json_t *all = facts ? json_loads(facts, 0, NULL) : NULL;
	const json_t *pair = json_object_get(all, field), *said = json_array_get(pair, 1);
	AUTO_FREE char *text = json_is_string(said) ? strdup(json_string_value(said)) :
			       said ? json_dumps(said, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;

	if (!text)
		fail_msg("nobody said %s: %s", field, facts ? facts : "nothing");
	assert_string_equal(text, value);
	if (source)
		assert_string_equal(json_string_value(json_array_get(pair, 0)), source);
	json_decref(all);
}

/* ---- the runtimes ------------------------------------------------------------------------------------------------ */

static void containerd_cri(void **state)
{
	struct tree *t = *state;

	copy_all(t);
	open_sources(t);
	AUTO_FREE char *c = facts_of(t, POD CRI_ID, 0, 0, "name");
	AUTO_FREE char *s = facts_of(t, POD SANDBOX_ID, 0, 0, "name");

	expect(c, "name", "oci", "nginx");
	expect(c, "id", "oci", CRI_ID);
	expect(c, "runtime", "oci", "containerd");
	expect(c, "image", "oci", "localhost/busybox:1");
	expect(c, "pod", "oci", "web-0");
	expect(c, "namespace", "oci", "shop");
	expect(c, "pod_uid", "oci", "11111111-2222-3333-4444-555555555555");
	expect(c, "role", "oci", "container");
	expect(c, "limits", "oci", "{\"cpu\":0.20000000000000001,\"memory\":67108864}");
	expect(s, "name", "oci", "POD");
	expect(s, "role", "oci", "sandbox");
	expect(s, "pod", "oci", "web-0");
}

static void containerd_by_hand(void **state)
{
	struct tree *t = *state;

	copy_all(t);
	open_sources(t);
	AUTO_FREE char *c = facts_of(t, "/default/ctr-demo", 0, 0, "name");

	expect(c, "name", "oci", "ctr-demo");
	expect(c, "runtime", "oci", "containerd");
	expect(c, "namespace", "oci", "default");
	expect(c, "annotations", "oci", "{\"app\":\"demo\",\"team\":\"obs\"}");
}

static void docker(void **state)
{
	struct tree *t = *state;

	copy_all(t);
	open_sources(t);
	AUTO_FREE char *c = facts_of(t, "/docker/" DOCKER_ID, 0, 0, "labels");

	expect(c, "name", "docker", "demo");
	expect(c, "runtime", "docker", "docker");
	expect(c, "image", "docker", "localhost/busybox:1");
	expect(c, "labels", "docker", "{\"app\":\"demo\",\"org.example.image\":\"busybox-local\",\"team\":\"obs\"}");
	expect(c, "restarts", "docker", "0");
	expect(c, "limits", "docker", "{\"cpu\":0.20000000000000001,\"memory\":67108864,\"pids\":64}");
	expect(c, "bundle", "oci", TASKS "moby/" DOCKER_ID);
}

static void podman(void **state)
{
	struct tree *t = *state;

	copy_all(t);
	open_sources(t);
	AUTO_FREE char *c = facts_of(t, "/libpod_parent/libpod-" PODMAN_ID, 0, 0, "image");

	expect(c, "name", "podman", "pdemo");
	expect(c, "runtime", "podman", "podman");
	expect(c, "image", "podman", "localhost/busybox:1");
	expect(c, "role", "oci", "container");
}

static void crio(void **state)
{
	struct tree *t = *state;

	copy_all(t);
	open_sources(t);
	AUTO_FREE char *c = facts_of(t, POD "crio-" CRIO_ID, 0, 0, "name");

	expect(c, "name", "oci", "nginx");
	expect(c, "runtime", "oci", "cri-o");
	expect(c, "pod", "oci", "web-0");
	expect(c, "namespace", "oci", "shop");
	expect(c, "image", "oci", "localhost/busybox:1");
	expect(c, "restarts", "oci", "0");
	expect(c, "annotations", "oci",
	       "{\"io.kubernetes.container.name\":\"nginx\",\"io.kubernetes.container.restartCount\":\"0\","
	       "\"io.kubernetes.pod.name\":\"web-0\",\"io.kubernetes.pod.namespace\":\"shop\","
	       "\"io.kubernetes.pod.uid\":\"11111111-2222-3333-4444-555555555555\",\"team\":\"obs\"}");
	expect(c, "labels", "oci",
	       "{\"io.kubernetes.container.name\":\"nginx\",\"io.kubernetes.pod.name\":\"web-0\","
	       "\"io.kubernetes.pod.namespace\":\"shop\","
	       "\"io.kubernetes.pod.uid\":\"11111111-2222-3333-4444-555555555555\"}");
}

/* ---- bundles that lie anywhere ----------------------------------------------------------------------------------- */

static void make_process(const struct tree *t, unsigned int pid, unsigned int parent, const char *cmdline, size_t len,
			 const char *cwd)
{
	char path[128], full[PATH_MAX], text[128];

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	write_file(t, path, cmdline, len);
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	snprintf(text, sizeof(text), "%u (a) b) S %u 0 0", pid, parent);
	write_file(t, path, text, strlen(text));
	snprintf(path, sizeof(path), "/proc/%u/cwd", pid);
	full_path(t, path, full);
	assert_int_equal(symlink(cwd, full), 0);
	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	full_path(t, path, full);
	assert_int_equal(symlink("/", full), 0);
}

static const char bundle[] = "{\"annotations\":{\"a\":\"b\"},\"linux\":{\"cgroupsPath\":\"/rctest/one\"}}";

static void whoever_made_the_cgroup_knows_the_bundle(void **state)
{
	static const char absolute[] = "/usr/bin/runc\0--root\0/x\0run\0-d\0--bundle\0/srv/b1\0one";
	static const char relative[] = "crun\0run\0one";
	struct tree *t = *state;

	write_file(t, "/srv/b1/config.json", bundle, strlen(bundle));
	make_process(t, 50, 1, absolute, sizeof(absolute), "/");
	make_process(t, 51, 1, relative, sizeof(relative), "/srv/b1");
	open_sources(t);
	AUTO_FREE char *a = facts_of(t, "/rctest/one", 50, 0, "name");
	AUTO_FREE char *b = facts_of(t, "/rctest/one", 51, 0, "name");
	AUTO_FREE char *parent = facts_of(t, "/rctest", 50, 0, NULL);

	expect(a, "name", "oci", "one");
	expect(a, "runtime", "oci", "runc");
	expect(a, "bundle", "oci", "/srv/b1");
	expect(a, "annotations", "oci", "{\"a\":\"b\"}");
	expect(b, "runtime", "oci", "crun");
	assert_null(parent); /* made by the same process, but not the container's own */
}

/* It has ended meanwhile: the kernel's record has what it was called with.  A scan that came before that is made good. */
static void the_record_of_the_maker_knows_the_bundle(void **state)
{
	struct kw_cg cg = { .v2 = 9 };
	struct tree *t = *state;
	AUTO_FREE char *facts = NULL;

	write_file(t, "/srv/b1/config.json", bundle, strlen(bundle));
	open_sources(t);
	metadata_ask(t->m, &cg, "/rctest/one", 0, 0, "");
	take(t, 9, NULL, 20 * NSEC_PER_MSEC, &facts);
	assert_null(facts);
	metadata_ask(t->m, &cg, "/rctest/one", 50, 0, "runc\n/srv/b1\none");
	take(t, 9, "name", PATIENCE_NS, &facts);
	expect(facts, "name", "oci", "one");
	expect(facts, "runtime", "oci", "runc");
	expect(facts, "bundle", "oci", "/srv/b1");
	cg.v2 = 10;
	metadata_ask(t->m, &cg, "/rctest/two", 50, 0, "runc\n/srv/b1\ntwo"); /* somebody else's */
	metadata_gone(t->m, &cg);
	AUTO_FREE char *other = NULL;

	take(t, 10, NULL, 100 * NSEC_PER_MSEC, &other);
	assert_null(other);
}

static void parents_know_the_bundle(void **state)
{
	static const char conmon[] = "/usr/bin/conmon\0-c\0one\0-b\0/srv/b1\0-p\0/x";
	static const char shim[] = "containerd-shim-runc-v2\0-namespace\0mine\0-id\0other";
	struct tree *t = *state;

	write_file(t, "/srv/b1/config.json", bundle, strlen(bundle));
	write_file(t, "/odd" TASKS "mine/one/config.json", bundle, strlen(bundle));
	make_process(t, 60, 1, conmon, sizeof(conmon), "/");
	make_process(t, 61, 60, "sleep", 6, "/");
	make_process(t, 70, 1, shim, sizeof(shim), "/odd" TASKS "mine/other");
	make_process(t, 71, 70, "sleep", 6, "/");
	assert_int_equal(dir_make(t->root, 0755), 0);
	write_file(t, "/odd" TASKS "mine/other/x", "", 0);
	open_sources(t);
	AUTO_FREE char *a = facts_of(t, "/rctest/one", 0, 61, "id");
	AUTO_FREE char *b = facts_of(t, "/rctest/one", 0, 71, "id");

	expect(a, "bundle", "oci", "/srv/b1");
	expect(b, "name", "oci", "one");
	expect(b, "namespace", "oci", "mine");
}

static void states_of_runtimes_know_the_bundle(void **state)
{
	static const char runc[] = "{\"config\":{\"labels\":[\"x=y\",\"bundle=/srv/b1\"]}}";
	static const char crun[] = "{\"pid\":7,\"bundle\":\"/srv/b1\"}";
	struct tree *t = *state;

	write_file(t, "/srv/b1/config.json", bundle, strlen(bundle));
	write_file(t, "/run/runc/one/state.json", runc, strlen(runc));
	open_sources(t);
	AUTO_FREE char *a = facts_of(t, "/rctest/one", 0, 0, "name");

	expect(a, "runtime", "oci", "runc");
	write_file(t, "/run/crun/one/status", crun, strlen(crun));
	char full[PATH_MAX];

	full_path(t, "/run/runc/one/state.json", full);
	assert_int_equal(unlink(full), 0);
	AUTO_FREE char *b = facts_of(t, "/rctest/one", 0, 0, "name");

	expect(b, "runtime", "oci", "crun");
}

/* What systemd made for a runtime that asked it to; the maker is systemd and knows nothing. */
static void scopes_of_runtimes_are_theirs(void **state)
{
	static const char config[] = "{\"annotations\":{\"a\":\"b\"},\"linux\":{\"cgroupsPath\":\"machine.slice:my-pre:web-1\"}}";
	static const char runc[] = "{\"config\":{\"labels\":[\"bundle=/srv/b1\"]}}";
	struct tree *t = *state;

	write_file(t, "/srv/b1/config.json", config, strlen(config));
	write_file(t, "/run/runc/web-1/state.json", runc, strlen(runc));
	write_file(t, "/run/runc/1/state.json", runc, strlen(runc)); /* whose bundle is another's */
	open_sources(t);
	AUTO_FREE char *a = facts_of(t, "/machine.slice/my-pre-web-1.scope", 0, 0, "name");
	AUTO_FREE char *b = facts_of(t, "/machine.slice/my-pre-web-2.scope", 0, 0, NULL);

	expect(a, "id", "oci", "web-1");
	expect(a, "name", "oci", "web-1");
	expect(a, "runtime", "oci", "runc");
	assert_false(facts_have(b, "id"));
}

static void bundles_of_others_are_not_ours(void **state)
{
	static const struct {
		const char *wanted, *path, *id;
		bool ours;
	} cases[] = {
		{ "/a/b", "/a/b", "b", true },
		{ "a/b", "/x/a/b", "b", true },
		{ "/a/b", "/x/a/b", "b", true }, /* a runtime in a cgroup namespace */
		{ "/a/b", "/a/xb", "b", false },
		{ "b", "/a/xb", "xb", false },
		{ "/a/b", "/a", "b", false },
		{ "", "/a/b", "b", true },
		{ "", "/a/b", "a", false },
		{ "kubepods.slice:cri-containerd:i1", "/kubepods.slice/cri-containerd-i1.scope", "i1", true },
		{ "kubepods.slice:cri-containerd:i1", "/kubepods.slice:cri-containerd:i1", "i1", true },
		{ "kubepods.slice:cri-containerd:i1", "/kubepods.slice/cri-containerd-i2.scope", "i1", false },
		{ "/", "/", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *config = json_pack("{s:{s:s}}", "linux", "cgroupsPath", cases[i].wanted);

		print_message("# %s %s\n", cases[i].wanted, cases[i].path);
		assert_int_equal(oci_is_for(config, cases[i].path, cases[i].id), cases[i].ours);
		json_decref(config);
	}
}

/* ---- hostile metadata -------------------------------------------------------------------------------------------- */

#define HOSTILE "/docker/" DOCKER_ID
#define CONFIG "/var/lib/docker/containers/" DOCKER_ID "/config.v2.json"

/* The state record of a source, once it has counted that much as malformed. */
static void wait_malformed(struct tree *t, const char *name, unsigned int count, struct kw_source *ret)
{
	int64_t end_ns = time_boot_ns() + PATIENCE_NS;
	union record rec;

	while (time_boot_ns() < end_ns) {
		const struct kw_source *p = (void *)(rec.bytes + sizeof(rec.event));

		if (!metadata_next(t->m, &rec)) {
			usleep(2000);
			continue;
		}
		if (rec.event.kind != KW_KIND_source || strcmp(p->name, name) || p->malformed < count)
			continue;
		*ret = *p;
		return;
	}
	fail_msg("%s never said that %u times something was malformed", name, count);
}

static void malformed_files_cost_their_source_only(void **state)
{
	struct tree *t = *state;
	AUTO_FREE char *deep = malloc(200000), *huge = calloc(1, METADATA_FILE_MAX + 1);
	struct kw_source books = { 0 };

	copy_all(t);
	memset(deep, '[', 200000);
	memset(huge, ' ', METADATA_FILE_MAX + 1);
	write_file(t, CONFIG, deep, 200000);
	open_sources(t);
	AUTO_FREE char *a = facts_of(t, HOSTILE, 0, 0, "id");

	expect(a, "id", "oci", DOCKER_ID); /* the bundle was not harmed */
	write_file(t, CONFIG, huge, METADATA_FILE_MAX + 1);
	AUTO_FREE char *b = facts_of(t, HOSTILE, 0, 0, "id");

	write_file(t, CONFIG, "{\"Name\":\"/\xff\xfe\"", 14);
	AUTO_FREE char *c = facts_of(t, HOSTILE, 0, 0, NULL);

	assert_false(facts_have(a, "labels"));
	assert_false(facts_have(b, "labels"));
	assert_false(facts_have(c, "labels"));
	wait_malformed(t, "docker", 3, &books);
	assert_int_equal(books.answered, 0);
	assert_string_not_equal(books.why, "");
}

static void links_and_devices_are_not_followed(void **state)
{
	struct tree *t = *state;
	char full[PATH_MAX], other[PATH_MAX];

	full_path(t, CONFIG, full);
	full_path(t, "/var/lib/docker/containers/loop", other);
	assert_int_equal(symlink(other, full), 0);
	assert_int_equal(symlink(full, other), 0);
	open_sources(t);
	AUTO_FREE char *a = facts_of(t, HOSTILE, 0, 0, NULL);

	assert_false(facts_have(a, "id"));
	unlink(full);
	assert_int_equal(mkfifo(full, 0644), 0); /* opening it would wait for a writer */
	AUTO_FREE char *b = facts_of(t, HOSTILE, 0, 0, NULL);

	assert_false(facts_have(b, "id"));
	unlink(full);
	copy_all(t); /* whoever asks has not stayed behind, waiting for the writer */
	AUTO_FREE char *c = facts_of(t, HOSTILE, 0, 0, "labels");

	expect(c, "name", "docker", "demo");
}

static void texts_are_bounded_and_stay_data(void **state)
{
	json_t *found = json_object(), *labels = json_object(), *back;
	char text[4088], key[32];
	AUTO_FREE char *longest = calloc(1, 5000);
	unsigned int cut;
	size_t len;

	(void)state;
	memset(longest, 'x', 4999);
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "label%03d", i);
		json_object_set_new(labels, key, json_string(longest));
	}
	json_object_set_new(labels, "list", json_array());
	json_object_set_new(found, "name", json_string("<img src=x>\x1b[31m\xc3\xa9\n"));
	json_object_set_new(found, "image", json_string(longest));
	json_object_set_new(found, "restarts", json_string("seven"));
	json_object_set_new(found, "nonsense", json_string("x"));
	json_object_set_new(found, "labels", labels);
	len = facts_say(found, text, sizeof(text), &cut);
	assert_true(len > 0 && len < sizeof(text));
	assert_true(cut >= 500 - FACT_MAP_MAX);
	back = json_loadb(text, len, 0, NULL);
	assert_string_equal(metadata_text(back, "name"), "<img src=x>\x1b[31m\xc3\xa9\n");
	assert_int_equal(strlen(metadata_text(back, "image")), FACT_TEXT_MAX);
	assert_true(json_object_size(json_object_get(back, "labels")) > 5);
	assert_null(json_object_get(back, "restarts"));
	assert_null(json_object_get(back, "nonsense"));
	json_decref(back);
	json_decref(found);
}

/* ---- who is believed --------------------------------------------------------------------------------------------- */

enum { PATH = 1, KERNEL = 2, OCI = 4, PODMAN = 5, DOCKER = 6 };

static void better_sources_correct_worse_ones(void **state)
{
	AUTO_FREE char *facts = NULL;

	(void)state;
	assert_int_equal(facts_merge(&facts, OCI, "{\"name\":\"short\",\"id\":\"1\"}"), 1);
	assert_int_equal(facts_merge(&facts, OCI, "{\"name\":\"short\"}"), 0);
	assert_int_equal(facts_merge(&facts, DOCKER, "{\"name\":\"web\"}"), 1);
	assert_int_equal(facts_merge(&facts, OCI, "{\"name\":\"short\",\"image\":\"i\"}"), 1); /* the image is news */
	expect(facts, "name", "docker", "web");
	expect(facts, "image", "oci", "i");
	expect(facts, "id", "oci", "1");
	assert_int_equal(facts_merge(&facts, DOCKER, "{\"name\":\"renamed\"}"), 1);
	expect(facts, "name", "docker", "renamed");
	assert_int_equal(facts_merge(&facts, DOCKER, "{\"name\":\"\",\"restarts\":\"x\",\"labels\":[]}"), 0);
	assert_int_equal(facts_merge(&facts, DOCKER, "[1]"), -EBADMSG);
	assert_int_equal(facts_merge(&facts, DOCKER, "{\"a\":1,\"a\":2}"), -EBADMSG);
	assert_int_equal(facts_merge(&facts, 4711, "{\"name\":\"x\"}"), -EBADMSG);
	expect(facts, "name", "docker", "renamed");
}

static void owners(void **state)
{
	static const struct {
		const char *labels, *references, *pod, *owner;
	} cases[] = {
		{ "{\"pod-template-hash\":\"7d4b9c\"}", "[{\"kind\":\"ReplicaSet\",\"name\":\"web-7d4b9c\"}]",
		  "web-7d4b9c-x2x4z", "deployment/web" },
		{ "{\"pod-template-hash\":\"7d4b9c\"}", NULL, "web-7d4b9c-x2x4z", "deployment/web" },
		{ "{}", "[{\"kind\":\"ReplicaSet\",\"name\":\"bare\"}]", "bare-abcde", "replicaset/bare" },
		{ "{\"statefulset.kubernetes.io/pod-name\":\"db-0\"}", NULL, "db-0", "statefulset/db" },
		{ "{}", "[{\"kind\":\"DaemonSet\",\"name\":\"log\",\"controller\":true}]", "log-8xk2p", "daemonset/log" },
		{ "{\"controller-revision-hash\":\"5d\",\"pod-template-generation\":\"1\"}", NULL, "log-8xk2p",
		  "daemonset/log" },
		{ "{}", "[{\"kind\":\"Job\",\"name\":\"backup-28391020\"}]", "backup-28391020-abcde", "cronjob/backup" },
		{ "{\"job-name\":\"once\"}", NULL, "once-abcde", "job/once" },
		{ "{}", "[{\"kind\":\"Other\",\"name\":\"o\"},{\"kind\":\"Node\",\"name\":\"n1\",\"controller\":true}]",
		  "p-n1", "node/n1" },
		{ "{}", NULL, "alone", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *labels = json_loads(cases[i].labels, 0, NULL), *found = json_object();
		json_t *references = cases[i].references ? json_loads(cases[i].references, 0, NULL) : NULL;

		kube_owner(labels, references, cases[i].pod, found);
		if (cases[i].owner)
			assert_string_equal(metadata_text(found, "owner"), cases[i].owner);
		else
			assert_null(json_object_get(found, "owner"));
		json_decref(labels);
		json_decref(references);
		json_decref(found);
	}
}

static void kubelets_pods(void **state)
{
	json_t *pods = json_load_file(FIXTURES "kubelet/pods.json", 0, NULL), *found = json_object();

	(void)state;
	assert_non_null(pods);
	assert_int_equal(kube_find(pods, "cefdba1130303f6a126f1a8a0f604ee012e0dfe47eeeadba94aab266a09828df", found), 1);
	assert_string_equal(metadata_text(found, "name"), "nginx");
	assert_string_equal(metadata_text(found, "role"), "container");
	assert_string_equal(metadata_text(found, "pod"), "web-node1");
	assert_string_equal(metadata_text(found, "namespace"), "shop");
	assert_string_equal(metadata_text(found, "qos"), "burstable");
	assert_string_equal(metadata_text(found, "runtime"), "containerd");
	assert_string_equal(metadata_text(json_object_get(found, "labels"), "tier"), "front");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(found, "limits"), "memory")), 64 << 20);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(found, "requests"), "memory")), 32 << 20);
	json_object_clear(found);
	assert_int_equal(kube_find(pods, "0f17d0bdaabc254be65d2cd1491c00ff3e41fc64d7c1949dbcf80c0189550d7c", found), 1);
	assert_string_equal(metadata_text(found, "role"), "init");
	assert_string_equal(metadata_text(found, "exit_reason"), "Completed");
	json_object_clear(found);
	assert_int_equal(kube_find(pods, "0", found), 0);
	assert_int_equal(kube_find_pod(pods, "202d241fcc8626c049b4b209a37c12b7", found), 1);
	assert_string_equal(metadata_text(found, "pod"), "besteffort-node1");
	assert_string_equal(metadata_text(found, "qos"), "besteffort");
	json_decref(found);
	json_decref(pods);
}

/* Static pods, of which the recording is, have none: made up after the Pod API, v1. */
static void kubelets_ephemeral_containers(void **state)
{
	static const char text[] =
		"{\"items\":[{\"metadata\":{\"name\":\"web-7d4b9c-x2x4z\",\"namespace\":\"shop\",\"uid\":\"u\",\"labels\":"
		"{\"pod-template-hash\":\"7d4b9c\"},\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"web-7d4b9c\","
		"\"controller\":true}]},\"spec\":{\"ephemeralContainers\":[{\"name\":\"debugger\",\"image\":\"tools:1\"}]},"
		"\"status\":{\"qosClass\":\"Guaranteed\",\"ephemeralContainerStatuses\":[{\"name\":\"debugger\","
		"\"containerID\":\"cri-o://abc\",\"restartCount\":2,\"state\":{\"terminated\":{\"exitCode\":137,\"reason\":"
		"\"OOMKilled\"}}}]}}]}";
	json_t *pods = json_loads(text, 0, NULL), *found = json_object();

	(void)state;
	assert_int_equal(kube_find(pods, "abc", found), 1);
	assert_string_equal(metadata_text(found, "role"), "ephemeral");
	assert_string_equal(metadata_text(found, "name"), "debugger");
	assert_string_equal(metadata_text(found, "image"), "tools:1");
	assert_string_equal(metadata_text(found, "runtime"), "cri-o");
	assert_string_equal(metadata_text(found, "owner"), "deployment/web");
	assert_string_equal(metadata_text(found, "qos"), "guaranteed");
	assert_string_equal(metadata_text(found, "exit_reason"), "OOMKilled");
	assert_int_equal(json_integer_value(json_object_get(found, "restarts")), 2);
	json_decref(found);
	json_decref(pods);
}

static void quantities(void **state)
{
	(void)state;
	assert_true(kube_quantity("200m") == 0.2);
	assert_true(kube_quantity("64Mi") == 64 << 20);
	assert_true(kube_quantity("1G") == 1e9);
	assert_true(kube_quantity("1.5") == 1.5);
	assert_true(kube_quantity("") < 0);
	assert_true(kube_quantity("-1") < 0);
	assert_true(kube_quantity("nan") < 0);
	assert_true(kube_quantity("1Zi") < 0);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void how_it_ended_is_looked_up_at_its_end(void **state)
{
	static const char ended[] = "{\"ID\":\"" DOCKER_ID "\",\"Name\":\"/demo\",\"State\":{\"Running\":false,"
				    "\"ExitCode\":137,\"OOMKilled\":true,\"FinishedAt\":\"2026-11-22T14:32:31Z\"}}";
	struct kw_cg cg = { .v2 = 7 };
	struct tree *t = *state;
	AUTO_FREE char *facts = NULL;

	copy_all(t);
	open_sources(t);
	metadata_ask(t->m, &cg, HOSTILE, 0, 0, "");
	take(t, 7, "labels", PATIENCE_NS, &facts);
	assert_false(facts_have(facts, "exit_code"));
	write_file(t, CONFIG, ended, strlen(ended));
	metadata_gone(t->m, &cg);
	take(t, 7, "exit_reason", PATIENCE_NS, &facts);
	expect(facts, "exit_code", "docker", "137");
	expect(facts, "exit_reason", "docker", "OOMKilled");
	expect(facts, "image", "docker", "localhost/busybox:1"); /* what was known stays */
}

/* A container that has gone before anybody looked is still looked for. */
static void the_dead_are_looked_for_too(void **state)
{
	struct kw_cg cg = { .v2 = 8 };
	struct tree *t = *state;
	AUTO_FREE char *facts = NULL;

	copy_all(t);
	open_sources(t);
	metadata_ask(t->m, &cg, HOSTILE, 0, 0, "");
	metadata_gone(t->m, &cg);
	take(t, 8, "labels", PATIENCE_NS, &facts);
	expect(facts, "name", "docker", "demo");
}

static void thousands_at_once(void **state)
{
	struct tree *t = *state;
	int64_t began, asked;
	union record rec;
	size_t count = 0;

	copy_all(t);
	open_sources(t);
	began = time_boot_ns();
	for (uint64_t i = 0; i < 1000; i++)
		metadata_ask(t->m, &(struct kw_cg){ .v2 = 1000 + i }, HOSTILE, 0, 0, "");
	asked = time_boot_ns() - began;
	while (count < 2 * 1000 && time_boot_ns() - began < PATIENCE_NS)
		if (metadata_next(t->m, &rec))
			count += rec.event.kind == KW_KIND_identity;
	print_message("# 1000 asked in %lld ms, known after %lld ms\n", (long long)(asked / NSEC_PER_MSEC),
		      (long long)((time_boot_ns() - began) / NSEC_PER_MSEC));
	assert_int_equal(count, 2 * 1000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(containerd_cri),
		TEST(containerd_by_hand),
		TEST(docker),
		TEST(podman),
		TEST(crio),
		TEST(whoever_made_the_cgroup_knows_the_bundle),
		TEST(the_record_of_the_maker_knows_the_bundle),
		TEST(parents_know_the_bundle),
		TEST(states_of_runtimes_know_the_bundle),
		TEST(scopes_of_runtimes_are_theirs),
		TEST(bundles_of_others_are_not_ours),
		TEST(malformed_files_cost_their_source_only),
		TEST(links_and_devices_are_not_followed),
		TEST(texts_are_bounded_and_stay_data),
		TEST(better_sources_correct_worse_ones),
		TEST(owners),
		TEST(kubelets_pods),
		TEST(kubelets_ephemeral_containers),
		TEST(quantities),
		TEST(how_it_ended_is_looked_up_at_its_end),
		TEST(the_dead_are_looked_for_too),
		TEST(thousands_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
