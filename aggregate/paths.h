/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the path of a cgroup alone says about the container it belongs to.
 * Pure.  Shapes are those of runc and crun with the cgroupfs and the systemd
 * driver under Docker, Podman, containerd, CRI-O, kubelet, nerdctl, BuildKit,
 * ECS, LXC, systemd-nspawn and Garden; the innermost match wins.
 */
#ifndef KWHY_AGGREGATE_PATHS_H
#define KWHY_AGGREGATE_PATHS_H

#include <stddef.h>

enum container_kind { CONTAINER_HOST, CONTAINER_CGROUP, CONTAINER_RUNTIME, CONTAINER_POD };

#define PATH_ID_LEN 80

struct path_identity {
	enum container_kind kind;
	const char *runtime;  /* "" when no runtime claims it; "oci" or "kubernetes" when the path does not say which */
	char id[PATH_ID_LEN]; /* "" likewise */
	char pod[40];	      /* uid with dashes as Kubernetes writes it, "" outside a pod */
	const char *qos;      /* "guaranteed", "burstable", "besteffort", "" outside a pod */
	size_t length;	      /* bytes of the path that name it: a longer path is a directory inside of it */
};

void path_identify(const char *path, struct path_identity *ret_identity);

/* "host", "cgroup", "container", "pod" */
const char *container_kind_name(enum container_kind kind);

#endif
