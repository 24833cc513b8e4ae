/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices of our own: loop devices over a tmpfs file, or over a slow or broken disk that FUSE plays. */
#ifndef KWHY_TESTS_FAULTS_DISK_H
#define KWHY_TESTS_FAULTS_DISK_H

#include "tests/faults/sandbox.h"

struct loop {
	char dev[32];  /* "/dev/loop3" */
	const char *name; /* "loop3", inside dev */
	int fd;        /* kept by the sandbox; closing it frees the device, unless it is mounted */
};

/* What the played disk does. */
struct slow_disk {
	int64_t size;
	int64_t request_ns;      /* time for each request... */
	int64_t bytes_per_sec;   /* ...and for its bytes; 0: none */
	int64_t late_ns;         /* and more for each while the phase is PHASE_FAULT */
	int64_t bad_from, bad_to; /* reads in here fail with EIO while the phase is PHASE_FAULT */
	_Atomic uint64_t *served, *errors;
	bool hangs; /* no read is answered while the phase is PHASE_FAULT */
	const char *backing; /* a file of that size that keeps the data; NULL: reads give zeroes, writes vanish */
};

/* A file of that size with all its blocks, on the private tmpfs. */
int image_new(struct sandbox *sb, const char *name, int64_t size, char *ret_path, size_t path_size);
/* direct: requests go to the file asynchronously, as to a real disk with a queue. */
int loop_new(struct sandbox *sb, const char *path, bool direct, struct loop *ret_loop);
/* "MAJ:MIN" of a loop device. */
void loop_number(const struct loop *loop, char *ret, size_t size);
/* The device may have that many dirty pages and no more, whatever the node allows.  A loop device keeps such a limit when
 * it is given back, so only one that has the kernel's own values is touched, and gets them again. */
int loop_limit_dirty(struct sandbox *sb, const struct loop *loop, int64_t bytes);
/* A quick disk: a loop device over such a file.  Written down as the fact "device". */
int quick_disk_new(struct sandbox *sb, int64_t size, struct loop *ret_loop);

/* What a container may read of a disk in a second; the controller is blkio, or io. */
struct read_limit {
	char number[16]; /* of the disk, "MAJ:MIN" */
	bool by_count;   /* requests, not bytes */
};

/* per_s 0: no limit. */
int read_limit_set(struct sandbox *sb, const struct container *c, const struct read_limit *limit, int per_s);
/* Makes an ext4 in that file; journal is the argument of mkfs.ext4 -J, NULL: the usual one; inodes 0: the
 * usual number. */
int ext4_format(struct sandbox *sb, const char *image, const char *journal, int inodes);
/* Mounts it as NAME below the private directory. */
int ext4_mount(struct sandbox *sb, const char *name, const struct loop *loop, const char *options, char *ret_mountpoint,
	       size_t mountpoint_size);
/* The same for XFS, with an internal log of that size. */
int xfs_format(struct sandbox *sb, const char *image, int64_t log_bytes);
int xfs_mount(struct sandbox *sb, const char *name, const struct loop *loop, char *ret_mountpoint, size_t mountpoint_size);
/* The same for btrfs; of the file it takes that many bytes. */
int btrfs_format(struct sandbox *sb, const char *image, int64_t bytes);
int btrfs_mount(struct sandbox *sb, const char *name, const struct loop *loop, char *ret_mountpoint,
		size_t mountpoint_size);
/* An ext4 file system on a tmpfs image, mounted below the private directory. */
int ext4_new(struct sandbox *sb, const char *name, int64_t size, char *ret_mountpoint, size_t mountpoint_size);
/* Serves it as a file from a process of its own, in container c (NULL: none). */
int slow_file_new(struct sandbox *sb, const struct container *c, const struct slow_disk *disk, char *ret_path,
		  size_t path_size);
/* Serves the disk from a process of its own and puts a loop device over it. */
int slow_disk_new(struct sandbox *sb, const struct slow_disk *disk, struct loop *ret_loop);

/* A device of the device mapper. */
struct mapped {
	char name[64];
	char disk[32];  /* "dm-3" */
	char dev[48];   /* "/dev/dm-3" */
	char below[32]; /* "MAJ:MIN" of what it lies on */
	int64_t size;
};

/* As large as what it lies on, and the same for now.  It goes with its last user.  Written down as the fact "device". */
int mapped_new(struct sandbox *sb, const struct loop *below, int64_t size, struct mapped *ret_mapped);
/* Another table: "linear", "error", or "delay" with delay_ms. */
int mapped_become(const struct mapped *m, const char *target, int delay_ms);
/* Suspends it, and freezes the file system on it, or lets it go on. */
int mapped_suspend(const struct mapped *m, bool suspend);

#endif
