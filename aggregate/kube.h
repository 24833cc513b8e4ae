/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes' conventions, as far as labels, annotations and names show them.  Pure. */
#ifndef KWHY_AGGREGATE_KUBE_H
#define KWHY_AGGREGATE_KUBE_H

#include <jansson.h>

/*
 * Who made a pod, as "owner" into found: from its owner references (NULL: not known), else from the labels that
 * controllers leave and the pod's name.
 */
void kube_owner(const json_t *labels, const json_t *references, const char *pod, json_t *found);

/* "io.kubernetes.pod.*" and "io.kubernetes.container.*", labels that the kubelet gives every container (CRI). */
void kube_labels(const json_t *labels, json_t *found);

/* Of the pods as GET /pods of a kubelet lists them: the facts of the container with that id.  1, 0 none has it. */
int kube_find(const json_t *pods, const char *id, json_t *found);
/* The facts of a pod itself, by uid. */
int kube_find_pod(const json_t *pods, const char *uid, json_t *found);

/* "200m", "1.5" into cores, "64Mi", "1G", "128974848" into bytes; negative when it is neither. */
double kube_quantity(const char *text);

#endif
