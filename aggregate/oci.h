/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an OCI bundle's config.json says (https://github.com/opencontainers/runtime-spec/blob/main/config.md), and the
 * annotations by which containerd's CRI plug-in, CRI-O and Podman say the rest.  Pure.
 */
#ifndef KWHY_AGGREGATE_OCI_H
#define KWHY_AGGREGATE_OCI_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Whether a bundle is that of the container with this cgroup and id: its cgroupsPath names the cgroup, or says nothing
 * and the cgroup's last part is the id.
 */
bool oci_is_for(const json_t *config, const char *path, const char *id);

/* Facts of a bundle.  dir: where it lies, which tells the runtime and containerd's namespace; id of the container. */
void oci_facts(const json_t *config, const char *dir, const char *id, json_t *found);

#endif
