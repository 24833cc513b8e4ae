/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/keptfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileutil.h"

void kept_budget_init(struct kept_budget *b, unsigned int max)
{
	struct rlimit limit;

	*b = (struct kept_budget){ .max = 128 };
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < (rlim_t)max * 4) {
		limit.rlim_cur = MIN((rlim_t)max * 4, limit.rlim_max);
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	b->max = MIN(limit.rlim_cur / 4, max);
}

void kept_close(struct kept_file *f, struct kept_budget *b)
{
	if (f->state > 0) {
		close(f->state - 1);
		b->open--;
	}
	f->state = 0;
}

static ssize_t read_again(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

ssize_t kept_read(struct kept_file *f, struct kept_budget *b, const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	if (f->state < 0)
		return -ENOENT;
	if (f->state > 0) {
		n = read_again(f->state - 1, buf, size);
		if (n >= 0)
			return n;
		kept_close(f, b); /* its cgroup has gone; perhaps there is a new one of that name */
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		if (errno == ENOENT)
			f->state = -1;
		return -errno;
	}
	n = read_again(fd, buf, size);
	if (n >= 0 && b->open < b->max) {
		f->state = TAKE_FD(fd) + 1;
		b->open++;
	}
	return n;
}
