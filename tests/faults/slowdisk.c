/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk played by a FUSE server of one file.  It serves one request at a
 * time, each taking its time, as a spinning disk or a throttled volume does:
 * with a loop device in direct I/O mode over it, requests queue behind each
 * other for real, because the loop driver hands them on without waiting
 * (drivers/block/loop.c, lo_rw_aio) and FUSE keeps them in order.
 */
#define FUSE_USE_VERSION 34
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/disk.h"

#define FILE_INO 2
#define FILE_NAME "disk"
#define TRANSFER_MAX (1 << 20)
#define QUEUE_MAX 512

struct server {
	struct sandbox *sb;
	struct slow_disk disk;
	struct fuse_session *session;
	char *data; /* TRANSFER_MAX bytes, zeroes without a backing file */
	int backing; /* -1: none */
};

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	/* Else the kernel holds requests back in an order of its own. */
	conn->max_background = QUEUE_MAX;
	conn->congestion_threshold = QUEUE_MAX;
}

static bool fill_attr(const struct server *s, fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	} else {
		st->st_mode = S_IFREG | 0600;
		st->st_nlink = 1;
		st->st_size = s->disk.size;
	}
	return ino == FUSE_ROOT_ID || ino == FILE_INO;
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct server *s = fuse_req_userdata(req);
	struct fuse_entry_param e = { .ino = FILE_INO, .attr_timeout = 3600, .entry_timeout = 3600 };

	if (parent != FUSE_ROOT_ID || strcmp(name, FILE_NAME) != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_attr(s, FILE_INO, &e.attr);
	fuse_reply_entry(req, &e);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (fill_attr(fuse_req_userdata(req), ino, &st))
		fuse_reply_attr(req, &st, 3600);
	else
		fuse_reply_err(req, ENOENT);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_reply_open(req, fi);
}

static void take_time(const struct server *s, size_t bytes)
{
	const struct slow_disk *d = &s->disk;
	int64_t ns = d->request_ns;

	if (sandbox_phase(s->sb) == PHASE_FAULT)
		ns += d->late_ns;
	if (d->bytes_per_sec > 0)
		ns += (int64_t)bytes * 1000 * MS / d->bytes_per_sec;
	nap_ns(ns);
}

static bool is_bad(const struct server *s, int64_t from, int64_t to)
{
	return sandbox_phase(s->sb) == PHASE_FAULT && from < s->disk.bad_to && to > s->disk.bad_from;
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct server *s = fuse_req_userdata(req);

	(void)ino;
	(void)fi;
	size = MIN(size, (size_t)TRANSFER_MAX);
	while (s->disk.hangs && sandbox_phase(s->sb) == PHASE_FAULT)
		nap_ns(5 * MS);
	take_time(s, size);
	if (s->disk.served)
		atomic_fetch_add(s->disk.served, 1);
	if (!is_bad(s, off, off + (int64_t)size)) {
		if (s->backing >= 0 && pread(s->backing, s->data, size, off) != (ssize_t)size)
			fuse_reply_err(req, EIO);
		else
			fuse_reply_buf(req, s->data, size);
		return;
	}
	if (s->disk.errors)
		atomic_fetch_add(s->disk.errors, 1);
	fuse_reply_err(req, EIO);
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct server *s = fuse_req_userdata(req);

	(void)ino;
	(void)fi;
	take_time(s, size);
	if (s->disk.served)
		atomic_fetch_add(s->disk.served, 1);
	if (s->backing >= 0 && pwrite(s->backing, buf, size, off) != (ssize_t)size)
		fuse_reply_err(req, EIO);
	else
		fuse_reply_write(req, size);
}

static void on_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, 0);
}

/* A container's server ends with its container, not by a kill. */
static void serve_until_stop(struct sandbox *sb, struct fuse_session *session)
{
	struct fuse_buf buf = { .mem = NULL };
	struct pollfd p = { .fd = fuse_session_fd(session), .events = POLLIN };

	while (sandbox_phase(sb) < PHASE_STOP && !fuse_session_exited(session)) {
		if (poll(&p, 1, 20) <= 0)
			continue;
		if (fuse_session_receive_buf(session, &buf) <= 0)
			break;
		fuse_session_process_buf(session, &buf);
	}
	free(buf.mem);
}

static void serve(struct sandbox *sb, void *arg)
{
	struct server *s = arg;

	s->data = calloc(1, TRANSFER_MAX);
	if (s->data && s->disk.hangs)
		serve_until_stop(sb, s->session);
	else if (s->data)
		fuse_session_loop(s->session);
}

static int mount_session(struct sandbox *sb, struct server *s, const char *mountpoint)
{
	static const struct fuse_lowlevel_ops ops = {
		.init = on_init, .lookup = on_lookup, .getattr = on_getattr, .open = on_open,
		.read = on_read, .write = on_write, .fsync = on_fsync,
	};
	char name[] = "faults";
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	int r;

	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "no /dev/fuse");
	s->session = fuse_session_new(&args, &ops, sizeof(ops), s);
	if (!s->session)
		return sandbox_fail(sb, -EIO, "cannot make a FUSE session");
	r = sandbox_undo_mount(sb, mountpoint);
	if (r == 0 && fuse_session_mount(s->session, mountpoint) < 0)
		r = sandbox_fail(sb, -EOPNOTSUPP, "cannot mount a FUSE file system");
	return r;
}

int slow_file_new(struct sandbox *sb, const struct container *c, const struct slow_disk *disk, char *ret_path,
		  size_t path_size)
{
	AUTO_CLOSE int backing = disk->backing ? open(disk->backing, O_RDWR | O_CLOEXEC) : -1;
	struct server s = { .sb = sb, .disk = *disk, .backing = backing };
	char mountpoint[96];
	int r;

	if (disk->backing && backing < 0)
		return -errno;

	snprintf(mountpoint, sizeof(mountpoint), "%s/disk.%u", sb->dir, sb->pid_count);
	if (mkdir(mountpoint, 0755) < 0)
		return -errno;
	r = mount_session(sb, &s, mountpoint);
	if (r < 0)
		return r;
	r = sandbox_spawn(sb, c, serve, &s);
	/* Only the server may hold this: then its death fails all requests instead of leaving them to wait. */
	close(fuse_session_fd(s.session));
	if (r < 0)
		return r;
	snprintf(ret_path, path_size, "%s/" FILE_NAME, mountpoint);
	return 0;
}

int slow_disk_new(struct sandbox *sb, const struct slow_disk *disk, struct loop *ret_loop)
{
	char path[128];
	int r = slow_file_new(sb, NULL, disk, path, sizeof(path));

	return r < 0 ? r : loop_new(sb, path, true, ret_loop);
}
