/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of C++ and Rust functions as people write them, without parameters: "foo::bar" for "_ZN3foo3barEv".  By libiberty,
 * which perf and gdb use, too.  The names are a container's: a short one can stand for gigabytes of text by referring to
 * its own parts, so that one with many references stays as it is.
 */
#ifndef KWHY_COLLECT_DEMANGLE_H
#define KWHY_COLLECT_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

#define DEMANGLE_NAME_MAX 256 /* longer names stay as they are, too */

bool demangle_is_mangled(const char *name); /* it looks so */

/*
 * False: it is no such name, and ret is untouched.  One that does not fit loses what its templates are made of first:
 * "std::vector<>::push_back".
 */
bool demangle(const char *name, char *ret, size_t size);

#endif
