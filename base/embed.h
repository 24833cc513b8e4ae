/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files carried inside the program: rules, SQL, JSON schemas, what the web
 * pages need.  The build makes the table (packaging/embed.sh); a program that
 * is linked without it has no files.
 */
#ifndef KWHY_BASE_EMBED_H
#define KWHY_BASE_EMBED_H

#include <stddef.h>

struct embedded_file {
	const char *path; /* from the project's root: "analyze/rules/cpu.neighbor.yaml" */
	const void *data; /* a NUL byte follows that size leaves out */
	size_t size;
};

/* NULL when there is none of that path. */
const struct embedded_file *embedded_find(const char *path);
/* In order of path; NULL past the last. */
const struct embedded_file *embedded_at(size_t i);

#endif
