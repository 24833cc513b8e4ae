/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/wire.h"

struct forwarder {
	int fds[2];
	int lost_per_1000;
	_Atomic uint64_t *lost; /* NULL: nothing is lost, but nothing taken while the fault lasts */
	int largest;            /* longer packets are lost while the fault lasts; 0: any size gets through */
	uint64_t seed;
};

static bool loses(struct forwarder *f)
{
	f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int)((f->seed >> 33) % 1000) < f->lost_per_1000;
}

static void forward(struct sandbox *sb, struct forwarder *f, int from)
{
	char packet[65536];
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		n = read(f->fds[from], packet, sizeof(packet));
		if (n <= 0)
			return;
		if (from == 0 && sandbox_phase(sb) == PHASE_FAULT && (f->largest ? n > f->largest : loses(f)))
			atomic_fetch_add(f->lost, 1);
		else if (write(f->fds[!from], packet, (size_t)n) < 0 && errno != EIO)
			return;
	}
}

static void forwarder_body(struct sandbox *sb, void *arg)
{
	struct forwarder *f = arg;
	struct pollfd polls[2] = { { .fd = f->fds[0], .events = POLLIN }, { .fd = f->fds[1], .events = POLLIN } };

	/* Until it is killed: the others end their last requests over it. */
	for (;;) {
		polls[0].fd = !f->lost && sandbox_phase(sb) == PHASE_FAULT ? -1 : f->fds[0];
		if (poll(polls, 2, 100) <= 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (polls[i].revents)
				forward(sb, f, i);
	}
}

/* A tun device belongs to the network namespace of who opens it, so step in and out again. */
static int open_tun(struct sandbox *sb, const struct container *c, const char *name)
{
	AUTO_CLOSE int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	AUTO_CLOSE int fd = -1;

	if (home < 0 || setns(c->netns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(fd);
		fd = -1;
	}
	if (setns(home, CLONE_NEWNET) < 0)
		return -errno;
	return fd < 0 ? sandbox_fail(sb, -EOPNOTSUPP, "no tun devices") : TAKE_FD(fd);
}

static int configure(struct sandbox *sb, const struct container *c, const char *dev, const char *address)
{
	char prefix[24];
	int r;

	snprintf(prefix, sizeof(prefix), "%s/30", address);
	r = sandbox_exec(sb, c->netns_fd, (const char *const[]){ "ip", "addr", "add", prefix, "dev", dev, NULL });
	return r < 0 ? r : sandbox_exec(sb, c->netns_fd, (const char *const[]){ "ip", "link", "set", dev, "up", NULL });
}

static int make_namespaces(struct sandbox *sb, struct container *client, struct container *server, struct wire *w)
{
	int x = sandbox_random(sb, 16, 250), y = sandbox_random(sb, 0, 250), r = 0;

	snprintf(w->client, sizeof(w->client), "10.%d.%d.1", x, y);
	snprintf(w->server, sizeof(w->server), "10.%d.%d.2", x, y);
	if (client->netns_fd < 0)
		r = container_netns(sb, client);
	if (r == 0 && server->netns_fd < 0)
		r = container_netns(sb, server);
	return r;
}

static int over_tun(struct sandbox *sb, struct container *client, struct container *server, struct forwarder f,
		    struct wire *ret_wire)
{
	int r = make_namespaces(sb, client, server, ret_wire);

	if (r < 0)
		return r;
	snprintf(ret_wire->device, sizeof(ret_wire->device), "eth0");
	f.fds[0] = open_tun(sb, client, "eth0");
	f.fds[1] = f.fds[0] < 0 ? f.fds[0] : open_tun(sb, server, "eth0");
	r = MIN(f.fds[1], 0);
	if (r == 0)
		r = configure(sb, client, "eth0", ret_wire->client);
	if (r == 0)
		r = configure(sb, server, "eth0", ret_wire->server);
	if (r == 0)
		r = sandbox_spawn(sb, NULL, forwarder_body, &f);
	for (int i = 0; i < 2; i++)
		if (f.fds[i] >= 0)
			close(f.fds[i]); /* the forwarder has them */
	return r < 0 ? r : 0;
}

int wire_forwarder(struct sandbox *sb, struct container *client, struct container *server, int lost_per_1000,
		   _Atomic uint64_t *ret_lost, struct wire *ret_wire)
{
	const struct forwarder f = { .fds = { -1, -1 }, .lost_per_1000 = lost_per_1000, .lost = ret_lost,
				     .seed = sb->seed + 1 };

	return over_tun(sb, client, server, f, ret_wire);
}

int wire_stalling(struct sandbox *sb, struct container *client, struct container *server, struct wire *ret_wire)
{
	return over_tun(sb, client, server, (struct forwarder){ .fds = { -1, -1 } }, ret_wire);
}

int wire_narrow(struct sandbox *sb, struct container *client, struct container *server, int largest,
		_Atomic uint64_t *ret_lost, struct wire *ret_wire)
{
	const struct forwarder f = { .fds = { -1, -1 }, .lost = ret_lost, .largest = largest };

	return over_tun(sb, client, server, f, ret_wire);
}

int wire_veth(struct sandbox *sb, struct container *client, struct container *server, struct wire *ret_wire)
{
	char target[40], dev[12];
	int r = make_namespaces(sb, client, server, ret_wire);

	if (r < 0)
		return r;
	/* ip(8) takes a namespace by path. */
	snprintf(target, sizeof(target), "/proc/%d/fd/%d", getpid(), server->netns_fd);
	snprintf(dev, sizeof(dev), "eth%d", sandbox_random(sb, 0, 3) + 4 * MAX(client->wires, server->wires));
	client->wires++;
	server->wires++;
	snprintf(ret_wire->device, sizeof(ret_wire->device), "%s", dev);
	r = sandbox_exec(sb, client->netns_fd, (const char *const[]){ "ip", "link", "add", dev, "type", "veth", "peer",
			 "name", dev, "netns", target, NULL });
	if (r == 0)
		r = configure(sb, client, dev, ret_wire->client);
	return r < 0 ? r : configure(sb, server, dev, ret_wire->server);
}

static int write_addresses(const char *path, const char *device, const char *prefix, int number, int last)
{
	AUTO_FCLOSE FILE *f = fopen(path, "we");

	for (int i = number; f && i <= last; i++)
		fprintf(f, "addr add %s::%x/64 dev %s nodad\n", prefix, i, device);
	return f && !ferror(f) ? 0 : -EIO;
}

int wire_ipv6(struct sandbox *sb, struct container *c, const char *device, const char *prefix, int number, int last)
{
	char path[96], enable[64];
	int r;

	snprintf(path, sizeof(path), "%s/addresses", sb->dir);
	snprintf(enable, sizeof(enable), "net.ipv6.conf.%s.disable_ipv6=0", device);
	r = write_addresses(path, device, prefix, number, MAX(number, last));
	if (r == 0)
		r = sandbox_exec(sb, c->netns_fd, (const char *const[]){ "sysctl", "-qw", enable, NULL });
	return r < 0 ? r : sandbox_exec(sb, c->netns_fd, (const char *const[]){ "ip", "-6", "-batch", path, NULL });
}
