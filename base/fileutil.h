/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of /proc, /sys and cgroupfs. */
#ifndef KWHY_BASE_FILEUTIL_H
#define KWHY_BASE_FILEUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Reads at most size - 1 bytes of dirfd/path into buf and ends them with NUL (dirfd AT_FDCWD for plain paths).
 * Returns the number of bytes or a negative errno; -E2BIG when the file was longer (buf then holds the beginning).
 */
ssize_t file_read(int dirfd, const char *path, char *buf, size_t size);
/* Whole file, at most max bytes, malloc()ed and NUL-terminated.  0, -EFBIG, negative errno. */
int file_read_alloc(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len);
/* A file that holds one integer ("max" reads as INT64_MAX).  0 or negative errno; -EINVAL for other text. */
int file_read_int(int dirfd, const char *path, int64_t *ret_value);
/* Atomic replace: writes PATH.tmp, fsyncs, renames. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode);
/* Whether both are of the same file, and nothing of it was written, given away or chmod()ed in between. */
bool file_unchanged(const struct stat *a, const struct stat *b);
/* mkdir -p */
int dir_make(const char *path, mode_t mode);
/* Names, sizes and times of the files there as one number: another one when something came, went or was written. */
uint64_t dir_state(const char *path);
/* A new private directory below $TMPDIR or /tmp, PREFIX-XXXXXX. */
int dir_make_temporary(char *ret_path, size_t size, const char *prefix);
/* chown -R, links not followed.  0 or negative errno. */
int dir_give(const char *path, uid_t uid, gid_t gid);
/* rm -r, links not followed; what cannot be removed stays. */
void dir_remove(const char *path);
/* The number of "key" in "key value" or "key: value kB" lines, as it stands there (kB are not multiplied); -ENOENT when
 * absent. */
int text_lookup_int(const char *text, const char *key, int64_t *ret_value);

#endif
