/* SPDX-License-Identifier: Apache-2.0 */
/* kwhy off and kwhy on: the file is the switch, the rest is telling what came of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timeutil.h"
#include "cli/cli.h"
#include "cli/switch.h"
#include "web/lists.h"
#include "web/rows.h"

#define PATIENCE_NS (5 * NSEC_PER_SEC)
#define LOOK_US 100000

static int set_file(const char *path, bool off)
{
	int fd;

	if (!off)
		return unlink(path) && errno != ENOENT ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* What the newest heartbeat says: 1 off, 0 on, -1 there is none that is fresh. */
static int heard(struct reader *r)
{
	json_t *answer = list_readiness(r, time_wall_ns());
	int off = -1;

	if (json_is_true(json_object_get(answer, "ready")))
		off = (int)value_int(json_object_get(answer, "tick"), "off", 0);
	json_decref(answer);
	return off;
}

/* Waits until the collector has said so.  -1: nobody speaks. */
static int wait_for(const struct cli *cli, bool off)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	int64_t end = time_boot_ns() + PATIENCE_NS;
	struct reader *r;
	int is = -1;

	if (reader_open(cli->state, &r, &err))
		return -1;
	while ((is = heard(r)) != off && time_boot_ns() < end)
		usleep(LOOK_US);
	reader_free(r);
	return is;
}

static int turn(const struct cli *cli, bool off)
{
	char path[4096];
	int r, is;

	switch_path(cli->state, path, sizeof(path));
	r = *path ? set_file(path, off) : -ENAMETOOLONG;
	if (r) {
		log_error("cannot %s %s: %s", off ? "make" : "remove", path, strerror(-r));
		return CLI_STORE;
	}
	is = wait_for(cli, off);
	if (is == off)
		printf(off ? "everything is off: no program is attached, nothing is sampled\n"
			   : "everything is on again\n");
	else if (is < 0)
		printf("no collector is at work on %s; it will start switched %s\n", cli->state, off ? "off" : "on");
	else
		log_error("the collector of %s does not follow: it is still %s", cli->state, off ? "on" : "off");
	return is == !off ? CLI_STORE : CLI_OK;
}

int verb_off(struct cli *cli)
{
	return turn(cli, true);
}

int verb_on(struct cli *cli)
{
	return turn(cli, false);
}
