/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled BPF objects carried inside the program; the build makes the table (packaging/embed.sh). */
#ifndef KWHY_COLLECT_OBJECTS_H
#define KWHY_COLLECT_OBJECTS_H

#include <stddef.h>

struct bpf_object_image {
	const char *name; /* of bpf/NAME.bpf.c; NAME.plain: the same for older kernels (bpf/plain.bpf.h) */
	const void *data;
	size_t size;
};

extern const struct bpf_object_image bpf_object_images[];
extern const unsigned int bpf_object_images_count;

#endif
