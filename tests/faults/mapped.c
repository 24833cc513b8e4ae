/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the device mapper over one of our own (Documentation/admin-guide/device-mapper), made without udev. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/faults/disk.h"

#define CONTROL "/dev/mapper/control"
#define PARAMS_MAX 96

/* One request to the driver, with room for one line of a table. */
struct request {
	struct dm_ioctl head;
	struct dm_target_spec line;
	char params[PARAMS_MAX];
};

static int ask(const struct mapped *m, unsigned long what, struct request *r)
{
	AUTO_CLOSE int control = open(CONTROL, O_RDWR | O_CLOEXEC);

	if (control < 0)
		return -EOPNOTSUPP;
	r->head.version[0] = DM_VERSION_MAJOR;
	r->head.data_size = sizeof(*r);
	r->head.data_start = sizeof(r->head);
	snprintf(r->head.name, sizeof(r->head.name), "%s", m->name);
	return ioctl(control, what, r) < 0 ? -errno : 0;
}

/* A new table takes effect when the device goes on. */
static int go_on(const struct mapped *m)
{
	struct request r = { .head.flags = 0 };

	return ask(m, DM_DEV_SUSPEND, &r);
}

int mapped_become(const struct mapped *m, const char *target, int delay_ms)
{
	struct request r = { .head.target_count = 1, .line.length = (uint64_t)m->size / 512 };
	int e;

	snprintf(r.line.target_type, sizeof(r.line.target_type), "%s", target);
	if (delay_ms)
		snprintf(r.params, sizeof(r.params), "%s 0 %d", m->below, delay_ms);
	else if (strcmp(target, "error") != 0)
		snprintf(r.params, sizeof(r.params), "%s 0", m->below);
	e = ask(m, DM_TABLE_LOAD, &r);
	return e < 0 ? e : go_on(m);
}

int mapped_suspend(const struct mapped *m, bool suspend)
{
	struct request r = { .head.flags = suspend ? DM_SUSPEND_FLAG : 0 };

	return ask(m, DM_DEV_SUSPEND, &r);
}

/* The driver's open descriptor keeps it until the end; then, or with its last user, it goes. */
static int open_node(struct sandbox *sb, struct mapped *m, uint64_t number)
{
	struct request gone = { .head.flags = DM_DEFERRED_REMOVE };
	int fd;

	/* As the kernel encodes device numbers for user space: new_encode_dev(), include/linux/kdev_t.h.  The node is
	 * devtmpfs's: it is there before the driver answers. */
	snprintf(m->disk, sizeof(m->disk), "dm-%u", (unsigned int)((number & 0xff) | (number >> 12 & 0xfff00)));
	snprintf(m->dev, sizeof(m->dev), "/dev/%s", m->disk);
	fd = open(m->dev, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ask(m, DM_DEV_REMOVE, &gone);
	return sandbox_keep_fd(sb, fd);
}

int mapped_new(struct sandbox *sb, const struct loop *below, int64_t size, struct mapped *ret_mapped)
{
	struct request r = { .head.flags = 0 };
	struct mapped *m = ret_mapped;
	int e;

	*m = (struct mapped){ .size = size };
	snprintf(m->name, sizeof(m->name), "%s-%x", sandbox_word(sb), (unsigned int)sandbox_random(sb, 1, 1 << 24));
	loop_number(below, m->below, sizeof(m->below));
	e = ask(m, DM_DEV_CREATE, &r);
	if (e < 0)
		return sandbox_fail(sb, -EOPNOTSUPP, "no device mapper: %s", strerror(-e));
	e = mapped_become(m, "linear", 0);
	if (e == 0)
		e = open_node(sb, m, r.head.dev);
	if (e < 0) {
		struct request gone = { .head.flags = 0 };

		ask(m, DM_DEV_REMOVE, &gone);
		return sandbox_fail(sb, e, "cannot set up a mapped device: %s", strerror(-e));
	}
	facts_str(&sb->params, "device", m->disk);
	facts_str(&sb->params, "below", below->name);
	return 0;
}
