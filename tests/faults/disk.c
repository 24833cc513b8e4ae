/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/faults/disk.h"
#include "tests/faults/shared.h"

int image_new(struct sandbox *sb, const char *name, int64_t size, char *ret_path, size_t path_size)
{
	AUTO_CLOSE int fd = -1;

	snprintf(ret_path, path_size, "%s/%s", sb->dir, name);
	fd = open(ret_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fallocate(fd, 0, 0, size) < 0)
		return sandbox_fail(sb, -errno, "cannot make the image %s", ret_path);
	return 0;
}

/* LOOP_CTL_GET_FREE only suggests a number: somebody else may take it first. */
static int loop_claim(int control, const struct loop_config *cfg, struct loop *l)
{
	for (int tries = 0; tries < 10; tries++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			return -errno;
		snprintf(l->dev, sizeof(l->dev), "/dev/loop%d", n);
		l->fd = open(l->dev, O_RDWR | O_CLOEXEC);
		if (l->fd < 0)
			return -errno;
		if (ioctl(l->fd, LOOP_CONFIGURE, cfg) == 0)
			return 0;
		n = -errno;
		close(l->fd);
		if (n != -EBUSY)
			return n;
	}
	return -EBUSY;
}

int loop_new(struct sandbox *sb, const char *path, bool direct, struct loop *ret_loop)
{
	AUTO_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int file = open(path, O_RDWR | O_CLOEXEC);
	/* Auto-clear makes the device vanish with its last user, however that one ends. */
	struct loop_config cfg = { .info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0) };
	int r;

	if (control < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "no loop devices");
	if (file < 0)
		return sandbox_fail(sb, -errno, "cannot open %s", path);
	cfg.fd = (uint32_t)file;
	snprintf((char *)cfg.info.lo_file_name, sizeof(cfg.info.lo_file_name), "%s", path);
	r = loop_claim(control, &cfg, ret_loop);
	if (r < 0)
		return sandbox_fail(sb, r == -ENOENT || r == -ENXIO ? -EOPNOTSUPP : r, "cannot set up a loop device");
	ret_loop->name = ret_loop->dev + strlen("/dev/");
	return sandbox_keep_fd(sb, ret_loop->fd);
}

void loop_number(const struct loop *loop, char *ret, size_t size)
{
	struct stat st = { .st_rdev = 0 };

	fstat(loop->fd, &st);
	snprintf(ret, size, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
}

static int64_t read_number(const char *dir, const char *file)
{
	char path[128], text[32] = "";
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -ENOENT;
	return strtoll(text, NULL, 10);
}

int loop_limit_dirty(struct sandbox *sb, const struct loop *loop, int64_t bytes)
{
	char path[128], dir[64], value[32], number[32];
	int r;

	loop_number(loop, number, sizeof(number));
	snprintf(dir, sizeof(dir), "/sys/class/bdi/%.20s", number);
	if (read_number(dir, "strict_limit") != 0 || read_number(dir, "max_ratio") != 100)
		return sandbox_fail(sb, -EOPNOTSUPP, "%s is no bdi that can be limited, or is already", dir);
	r = undo_add(sb->shared, UNDO_BDI, dir);
	snprintf(path, sizeof(path), "%s/strict_limit", dir);
	if (r == 0)
		r = sandbox_write_file(path, "1");
	snprintf(path, sizeof(path), "%s/max_bytes", dir);
	snprintf(value, sizeof(value), "%lld", (long long)bytes);
	if (r == 0)
		r = sandbox_write_file(path, value);
	if (r < 0)
		return sandbox_fail(sb, r == -ENOENT ? -EOPNOTSUPP : r, "cannot limit the dirty pages of %s", loop->dev);
	return 0;
}

int quick_disk_new(struct sandbox *sb, int64_t size, struct loop *ret_loop)
{
	char image[128];
	int r = image_new(sb, "quick.img", size, image, sizeof(image));

	if (r == 0)
		r = loop_new(sb, image, true, ret_loop);
	if (r == 0)
		facts_str(&sb->params, "device", ret_loop->name);
	return r;
}

/* v1 has a file for each direction and kind of limit and takes 0 for none, v2 has one and takes "max". */
int read_limit_set(struct sandbox *sb, const struct container *c, const struct read_limit *limit, int per_s)
{
	const char *file = limit->by_count ? "blkio.throttle.read_iops_device" : "blkio.throttle.read_bps_device";
	const char *key = limit->by_count ? "riops" : "rbps";
	bool v2 = controller_is_v2(sb, "blkio");
	char value[64];

	if (v2 && !per_s)
		snprintf(value, sizeof(value), "%s %s=max", limit->number, key);
	else if (v2)
		snprintf(value, sizeof(value), "%s %s=%d", limit->number, key, per_s);
	else
		snprintf(value, sizeof(value), "%s %d", limit->number, per_s);
	return container_write(sb, c, v2 ? "io" : "blkio", file, "io.max", value);
}

int ext4_format(struct sandbox *sb, const char *image, const char *journal, int inodes)
{
	/* All is written now, and nothing later by a thread of the kernel. */
	const char *argv[16] = { "mkfs.ext4", "-q", "-F", "-b", "4096", "-E",
				 "nodiscard,lazy_itable_init=0,lazy_journal_init=0" };
	char number[16];
	int n = 7;

	snprintf(number, sizeof(number), "%d", inodes);
	if (journal) {
		argv[n++] = "-J";
		argv[n++] = journal;
	}
	if (inodes) {
		argv[n++] = "-N";
		argv[n++] = number;
	}
	argv[n] = image;
	return sandbox_exec(sb, -1, argv);
}

int xfs_format(struct sandbox *sb, const char *image, int64_t log_bytes)
{
	char log[32];
	/* Small ones are for tests only, since 5.19. */
	const char *argv[] = { "mkfs.xfs", "-q", "-f", "-K", "--unsupported", "-d", "agcount=1", "-l", log, image, NULL };

	snprintf(log, sizeof(log), "size=%lldk", (long long)(log_bytes / 1024));
	return sandbox_exec(sb, -1, argv);
}

int btrfs_format(struct sandbox *sb, const char *image, int64_t bytes)
{
	char size[32];
	const char *argv[] = { "mkfs.btrfs", "-q", "-f", "-K", "-m", "single", "-d", "single", "-b", size, image, NULL };

	snprintf(size, sizeof(size), "%lld", (long long)bytes);
	return sandbox_exec(sb, -1, argv);
}

static int mount_as(struct sandbox *sb, const char *type, const char *name, const struct loop *loop, const char *options,
		    char *ret_mountpoint, size_t mountpoint_size)
{
	int r;

	snprintf(ret_mountpoint, mountpoint_size, "%s/%s", sb->dir, name);
	if (mkdir(ret_mountpoint, 0755) < 0)
		return -errno;
	r = sandbox_undo_mount(sb, ret_mountpoint);
	if (r == 0 && mount(loop->dev, ret_mountpoint, type, MS_NOSUID | MS_NODEV | MS_NOATIME, options) < 0)
		r = sandbox_fail(sb, errno == ENODEV ? -EOPNOTSUPP : -errno, "cannot mount %s from %s", type, loop->dev);
	return r;
}

int ext4_mount(struct sandbox *sb, const char *name, const struct loop *loop, const char *options, char *ret_mountpoint,
	       size_t mountpoint_size)
{
	return mount_as(sb, "ext4", name, loop, options, ret_mountpoint, mountpoint_size);
}

int xfs_mount(struct sandbox *sb, const char *name, const struct loop *loop, char *ret_mountpoint, size_t mountpoint_size)
{
	return mount_as(sb, "xfs", name, loop, NULL, ret_mountpoint, mountpoint_size);
}

int btrfs_mount(struct sandbox *sb, const char *name, const struct loop *loop, char *ret_mountpoint,
		size_t mountpoint_size)
{
	return mount_as(sb, "btrfs", name, loop, NULL, ret_mountpoint, mountpoint_size);
}

int ext4_new(struct sandbox *sb, const char *name, int64_t size, char *ret_mountpoint, size_t mountpoint_size)
{
	char image[128], file[40];
	struct loop loop;
	int r;

	snprintf(file, sizeof(file), "%s.img", name);
	r = image_new(sb, file, size, image, sizeof(image));
	if (r == 0)
		r = ext4_format(sb, image, NULL, 0);
	if (r == 0)
		r = loop_new(sb, image, false, &loop);
	return r < 0 ? r : ext4_mount(sb, name, &loop, NULL, ret_mountpoint, mountpoint_size);
}
