/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "aggregate/paths.h"
#include "base/cleanup.h"
#include "tests/unit/unit.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define U "8f1a2b3c-4d5e-6f70-8192-a3b4c5d6e7f8"
#define UU "8f1a2b3c_4d5e_6f70_8192_a3b4c5d6e7f8"
#define SLICE "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UU ".slice"

static const struct {
	const char *path;
	enum container_kind kind;
	const char *runtime, *id, *pod, *qos;
	const char *inside; /* what follows the part that names the container */
} shapes[] = {
	{ "/", CONTAINER_HOST, "", "", "", "", "" },
	{ "", CONTAINER_HOST, "", "", "", "", "" },
	{ "/docker/" A, CONTAINER_RUNTIME, "docker", A, "", "", "" },
	{ "/system.slice/docker-" A ".scope", CONTAINER_RUNTIME, "docker", A, "", "", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A ".scope", CONTAINER_RUNTIME, "docker", A,
	  "", "", "" },
	{ "/rctest/docker/" A, CONTAINER_RUNTIME, "docker", A, "", "", "" },
	{ "/kubepods/burstable/pod" U "/" A, CONTAINER_RUNTIME, "kubernetes", A, U, "burstable", "" },
	{ "/libpod_parent/libpod-" A, CONTAINER_RUNTIME, "podman", A, "", "", "" },
	{ "/machine.slice/libpod-" A ".scope", CONTAINER_RUNTIME, "podman", A, "", "", "" },
	{ "/machine.slice/libpod-" A ".scope/container", CONTAINER_RUNTIME, "podman", A, "", "", "/container" },
	{ "/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope", CONTAINER_RUNTIME, "podman", A, "", "",
	  "" },
	{ "/machine.slice/libpod-conmon-" A ".scope", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/conmon", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/default/some-name", CONTAINER_RUNTIME, "containerd", "some-name", "", "", "" },
	{ "/default/ctr-demo/inner", CONTAINER_RUNTIME, "containerd", "ctr-demo", "", "", "/inner" },
	{ "/app/default/some-name", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/default/" A, CONTAINER_RUNTIME, "containerd", A, "", "", "" },
	{ "/system.slice/nerdctl-" A ".scope", CONTAINER_RUNTIME, "containerd", A, "", "", "" },
	{ "/kubepods/besteffort/pod" U "/" A, CONTAINER_RUNTIME, "kubernetes", A, U, "besteffort", "" },
	{ "/kubepods/pod" U "/" A, CONTAINER_RUNTIME, "kubernetes", A, U, "guaranteed", "" },
	{ SLICE "/cri-containerd-" A ".scope", CONTAINER_RUNTIME, "containerd", A, U, "burstable", "" },
	{ "/kubepods.slice/kubepods-pod" UU ".slice/cri-containerd-" A ".scope", CONTAINER_RUNTIME, "containerd", A, U,
	  "guaranteed", "" },
	{ "/kubepods-burstable-pod" UU ".slice:cri-containerd:" A, CONTAINER_RUNTIME, "containerd", A, U, "burstable",
	  "" },
	{ "/system.slice:docker:" A, CONTAINER_RUNTIME, "docker", A, "", "", "" },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UU ".slice/crio-" A ".scope",
	  CONTAINER_RUNTIME, "cri-o", A, U, "besteffort", "" },
	{ "/kubepods/burstable/pod" U "/crio-" A, CONTAINER_RUNTIME, "cri-o", A, U, "burstable", "" },
	{ SLICE "/crio-conmon-" A ".scope", CONTAINER_CGROUP, "", "", U, "burstable", "" },
	{ "/kubepods/burstable/pod0f086392e4b19c5d4125f8dfb4241188/" A, CONTAINER_RUNTIME, "kubernetes", A,
	  "0f086392e4b19c5d4125f8dfb4241188", "burstable", "" },
	{ "/kubepods/burstable/pod" U, CONTAINER_POD, "", "", U, "burstable", "" },
	{ SLICE, CONTAINER_POD, "", "", U, "burstable", "" },
	{ "/kubepods/burstable", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/docker/" B "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	  "kubelet-kubepods-burstable-pod" UU ".slice/cri-containerd-" A ".scope",
	  CONTAINER_RUNTIME, "containerd", A, U, "burstable", "" },
	{ "/ecs/task-1/" A, CONTAINER_RUNTIME, "docker", A, "", "", "" },
	{ "/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-1234567890", CONTAINER_RUNTIME, "ecs",
	  "0123456789abcdef0123456789abcdef-1234567890", "", "", "" },
	{ "/docker/" A "/init.scope", CONTAINER_RUNTIME, "docker", A, "", "", "/init.scope" },
	{ "/docker/" A "/system.slice/ssh.service", CONTAINER_RUNTIME, "docker", A, "", "",
	  "/system.slice/ssh.service" },
	{ "/docker/" B "/docker/" A, CONTAINER_RUNTIME, "docker", A, "", "", "" },
	{ "/system.slice/var-lib-docker-overlay2-" A "-merged.mount", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/lxc/web", CONTAINER_RUNTIME, "lxc", "web", "", "", "" },
	{ "/lxc.payload.web", CONTAINER_RUNTIME, "lxc", "web", "", "", "" },
	{ "/lxc.payload.web/init.scope", CONTAINER_RUNTIME, "lxc", "web", "", "", "/init.scope" },
	{ "/lxc.monitor.web", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/machine.slice/machine-deb\\x2d12.scope", CONTAINER_RUNTIME, "systemd-nspawn", "deb-12", "", "", "" },
	{ "/machine.slice/systemd-nspawn@web.service/payload", CONTAINER_RUNTIME, "systemd-nspawn", "web", "", "",
	  "/payload" },
	{ "/garden/12345678-1234", CONTAINER_RUNTIME, "garden", "12345678-1234", "", "", "" },
	{ "/system.slice/ssh.service", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/batch/" A, CONTAINER_RUNTIME, "oci", A, "", "", "" },
	/* nearly */
	{ "/system.slice/docker-0123.scope", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/system.slice/docker-" A "0.scope", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/system.slice/docker.service", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/lxc/we b;rm", CONTAINER_CGROUP, "", "", "", "", "" },
	{ "/docker/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", CONTAINER_CGROUP, "", "", "", "",
	  "" },
	{ "/x/podcast", CONTAINER_CGROUP, "", "", "", "", "" },
};

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct path_identity id;

		path_identify(shapes[i].path, &id);
		if (id.kind != shapes[i].kind || strcmp(id.runtime, shapes[i].runtime) || strcmp(id.id, shapes[i].id) ||
		    strcmp(id.pod, shapes[i].pod) || strcmp(id.qos, shapes[i].qos) ||
		    strcmp(shapes[i].path + id.length, shapes[i].inside))
			fail_msg("%s: %s runtime '%s' id '%s' pod '%s' qos '%s' inside '%s'", shapes[i].path,
				 container_kind_name(id.kind), id.runtime, id.id, id.pod, id.qos,
				 shapes[i].path + id.length);
	}
}

static void test_deep(void **state)
{
	char path[4096] = "";
	struct path_identity id;

	(void)state;
	for (int i = 0; i < 1000; i++)
		strcat(path, "/x");
	path_identify(path, &id);
	assert_int_equal(id.kind, CONTAINER_CGROUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_shapes), cmocka_unit_test(test_deep) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
