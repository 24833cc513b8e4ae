/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any BPF object file as libbpf knows them, somebody else's included: what is in it, and what it emits, as JSON.
 *
 * What a ring or perf buffer carries is found in this order: the type asked for; the "value" of the map's definition;
 * a variable "const struct X *unused..." (the habit of bpf2go); the one structure of the object of a record's size.
 * What no type is known for is shown in hexadecimal.  Programs of type iter are read to their end once.
 */
#ifndef KWHY_COLLECT_BPFOBJ_H
#define KWHY_COLLECT_BPFOBJ_H

#include "base/jsonw.h"
#include "base/strbuf.h"

struct bpfobj;

/* A line is valid until the callback returns. */
typedef void (*bpfobj_line_fn)(void *ctx, const char *json);

/* 0 or negative errno with a line in *ret_error. */
int bpfobj_open(const char *path, struct bpfobj **ret_object, struct strbuf *ret_error);
void bpfobj_free(struct bpfobj *o); /* detaches; NULL is fine */
/* One object: license, maps, programs. */
void bpfobj_describe(const struct bpfobj *o, struct jsonw *w);
/*
 * Loads and attaches what can attach itself.  type: name of the structure that buffers carry, NULL: found out.  What
 * could not be attached goes to *ret_warnings, a line each; -ENODEV when nothing could.
 */
int bpfobj_start(struct bpfobj *o, const char *type, struct strbuf *ret_warnings, struct strbuf *ret_error);
/* Hands on what came within timeout_ms.  Number of lines or negative errno; -ENODATA: nothing can come any more. */
int bpfobj_poll(struct bpfobj *o, int timeout_ms, bpfobj_line_fn fn, void *ctx);
/* Records of perf buffers that were overwritten before they were read. */
unsigned long long bpfobj_lost(const struct bpfobj *o);

#endif
