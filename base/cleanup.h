/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-owned resources.  A variable declared with one of these attributes is
 * released when its scope ends; hand it on with TAKE_PTR() or TAKE_FD().
 */
#ifndef KWHY_BASE_CLEANUP_H
#define KWHY_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE __attribute__((cleanup(cleanup_close)))
#define AUTO_FCLOSE __attribute__((cleanup(cleanup_fclose)))
/* For a type with its own free function: AUTO(strbuf) struct strbuf b = {0}; needs strbuf_cleanup(struct strbuf *). */
#define AUTO(name) __attribute__((cleanup(name##_cleanup)))

#define TAKE_PTR(p) ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define TAKE_FD(fd) ({ int taken_ = (fd); (fd) = -1; taken_; })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
