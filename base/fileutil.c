/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fileutil.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/strbuf.h"

/* Longest file that holds one integer, and longest path of dir_make(). */
#define INTEGER_TEXT_MAX 64
#define PATH_TEXT_MAX 4096
#define READ_CHUNK 4096

static ssize_t read_some(int fd, void *buf, size_t size)
{
	ssize_t n;

	do {
		n = read(fd, buf, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t file_read(int dirfd, const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = -1;
	size_t len = 0;
	ssize_t n;
	char more;

	if (!size)
		return -EINVAL;
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		n = read_some(fd, buf + len, size - 1 - len);
		if (n < 0)
			return n;
		if (!n)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	if (len < size - 1)
		return (ssize_t)len;
	n = read_some(fd, &more, 1);
	if (n < 0)
		return n;
	return n ? -E2BIG : (ssize_t)len;
}

int file_read_alloc(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len)
{
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	AUTO_CLOSE int fd = -1;
	char chunk[READ_CHUNK];
	char *data;
	ssize_t n;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	while ((n = read_some(fd, chunk, sizeof(chunk))) > 0) {
		if ((size_t)n > max - text.len)
			return -EFBIG;
		strbuf_add(&text, chunk, (size_t)n);
		if (strbuf_error(&text))
			return strbuf_error(&text);
	}
	if (n < 0)
		return (int)n;
	data = strbuf_detach(&text, ret_len);
	if (!data)
		return -ENOMEM;
	*ret_data = data;
	return 0;
}

/* A decimal integer at s, which ends at *ret_end. */
static int parse_int(const char *s, int64_t *ret_value, const char **ret_end)
{
	char *end;
	long long value;

	if (!isdigit((unsigned char)*s) && *s != '-')
		return -EINVAL;
	errno = 0;
	value = strtoll(s, &end, 10);
	if (end == s)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*ret_value = value;
	*ret_end = end;
	return 0;
}

int file_read_int(int dirfd, const char *path, int64_t *ret_value)
{
	char text[INTEGER_TEXT_MAX] = "";
	const char *end;
	ssize_t n = file_read(dirfd, path, text, sizeof(text));
	int64_t value;
	int r;

	if (n < 0)
		return n == -E2BIG ? -EINVAL : (int)n;
	if (!strcmp(text, "max\n") || !strcmp(text, "max")) {
		*ret_value = INT64_MAX;
		return 0;
	}
	r = parse_int(text, &value, &end);
	if (r < 0)
		return r;
	if (end[strspn(end, " \t\n")])
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The new file is exclusive: a link that someone left under its name is never followed. */
static int write_new(const char *path, const void *data, size_t len, mode_t mode)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* Makes a rename durable; see rename(2) and fsync(2) on directories. */
static int sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = NULL;
	AUTO_CLOSE int fd = -1;

	if (!slash)
		parent = strdup(".");
	else
		parent = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!parent)
		return -ENOMEM;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode)
{
	AUTO(strbuf) struct strbuf temporary = STRBUF_INIT;
	int r;

	strbuf_addf(&temporary, "%s.tmp", path);
	if (strbuf_error(&temporary))
		return strbuf_error(&temporary);
	r = write_new(temporary.data, data, len, mode);
	if (r == 0 && rename(temporary.data, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary.data);
		return r;
	}
	return sync_parent(path);
}

static int make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make(const char *path, mode_t mode)
{
	char part[PATH_TEXT_MAX];
	size_t len = strlen(path);

	if (!len)
		return -ENOENT;
	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 0; i <= len; i++) {
		int r;

		part[i] = path[i];
		if (!i || (path[i] && path[i] != '/') || path[i - 1] == '/')
			continue;
		part[i] = '\0';
		r = make_one(part, mode);
		if (r < 0)
			return r;
		part[i] = path[i];
	}
	return 0;
}

bool file_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

uint64_t dir_state(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	uint64_t state = 0;

	for (int i = 0; i < count; i++) {
		AUTO(strbuf) struct strbuf file = STRBUF_INIT;
		struct stat st;

		strbuf_addf(&file, "%s/%s", path, entries[i]->d_name);
		if (!stat(strbuf_str(&file), &st) && S_ISREG(st.st_mode)) {
			state = hash_str(entries[i]->d_name, state);
			state = hash_bytes(&st.st_mtim, sizeof(st.st_mtim), state);
			state = hash_bytes(&st.st_size, sizeof(st.st_size), state);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return state;
}

int dir_make_temporary(char *ret_path, size_t size, const char *prefix)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(ret_path, size, "%s/%s-XXXXXX", tmp && *tmp ? tmp : "/tmp", prefix);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return mkdtemp(ret_path) ? 0 : -errno;
}

int dir_give(const char *path, uid_t uid, gid_t gid)
{
	char *const paths[] = { (char *)path, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *e;
	int r = tree ? 0 : -errno;

	while (!r && (e = fts_read(tree)))
		if (e->fts_info != FTS_DP && lchown(e->fts_path, uid, gid))
			r = -errno;
	if (tree)
		fts_close(tree);
	return r;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void dir_remove(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int text_lookup_int(const char *text, const char *key, int64_t *ret_value)
{
	size_t key_len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *value, *end;

		line += *line == '\n';
		if (strncmp(line, key, key_len) != 0)
			continue;
		value = line + key_len;
		if (*value != ':' && *value != ' ' && *value != '\t')
			continue;
		value += *value == ':';
		value += strspn(value, " \t");
		return parse_int(value, ret_value, &end);
	}
	return -ENOENT;
}
