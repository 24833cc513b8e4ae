/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/timeutil.h"

#define REPLY_MAX 32768

/* A netlink socket belongs to the network namespace of who opens it, so step in and out again. */
static int open_in(int there, int protocol)
{
	AUTO_CLOSE int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	int error;

	if (home < 0 || setns(there, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	error = fd < 0 ? -errno : 0;
	/* The same right as on the way in: cannot fail unless it was taken away meanwhile. */
	if (setns(home, CLONE_NEWNET) < 0)
		return -errno;
	return error ? error : TAKE_FD(fd);
}

int sockdiag_open(int pid, uint64_t netns, int protocol)
{
	const struct timeval patience = { .tv_usec = 100000 };
	AUTO_CLOSE int there = -1;
	struct stat st;
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0 || fstat(there, &st) < 0)
		return -errno;
	if (st.st_ino != netns)
		return -ESTALE; /* the pid is another process's by now */
	fd = open_in(there, protocol);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void take_address(unsigned int family, const __be32 *from, uint8_t ret[16])
{
	if (family == AF_INET6) {
		memcpy(ret, from, 16);
		return;
	}
	memset(ret, 0, 10);
	memset(ret + 10, 0xff, 2);
	memcpy(ret + 12, from, 4);
}

/* Older kernels have a shorter tcp_info. */
static void take_info(const void *data, size_t len, struct diag_socket *ret)
{
	struct tcp_info info = { 0 };

	memcpy(&info, data, MIN(len, sizeof(info)));
	ret->since_sent_ns = (uint64_t)info.tcpi_last_data_sent * NSEC_PER_MSEC;
	ret->limited_ns = info.tcpi_rwnd_limited * NSEC_PER_USEC;
}

static void take_attributes(const struct rtattr *a, size_t len, struct diag_socket *ret)
{
	for (int left = (int)len; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == INET_DIAG_INFO)
			take_info(RTA_DATA(a), RTA_PAYLOAD(a), ret);
		else if (a->rta_type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(a) >= sizeof(ret->cgroup))
			memcpy(&ret->cgroup, RTA_DATA(a), sizeof(ret->cgroup));
	}
}

int sockdiag_parse(const void *message, size_t len, struct diag_socket *ret)
{
	const size_t head = NLMSG_ALIGN(sizeof(struct inet_diag_msg));
	struct inet_diag_msg m;

	if (len < sizeof(m))
		return -EBADMSG;
	memcpy(&m, message, sizeof(m));
	*ret = (struct diag_socket){
		.state = m.idiag_state,
		.timer = m.idiag_timer,
		.sport = ntohs(m.id.idiag_sport),
		.dport = ntohs(m.id.idiag_dport),
		.inode = m.idiag_inode,
		.rqueue = m.idiag_rqueue,
		.wqueue = m.idiag_wqueue,
	};
	take_address(m.idiag_family, m.id.idiag_src, ret->saddr);
	take_address(m.idiag_family, m.id.idiag_dst, ret->daddr);
	if (len > head)
		take_attributes((const struct rtattr *)((const char *)message + head), len - head, ret);
	return 0;
}

static int ask(int fd, int family, uint32_t states)
{
	const struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.request = { .sdiag_family = (__u8)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = states,
			     .idiag_ext = 1 << (INET_DIAG_INFO - 1) },
	};

	return send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

struct reader {
	sockdiag_fn fn;
	void *ctx;
	unsigned int seen, max;
};

/* 1: more is to come, 0: that was all, negative errno. */
static int take_reply(const char *reply, int len, struct reader *r)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)reply;
	struct diag_socket s;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || sockdiag_parse(NLMSG_DATA(h), NLMSG_PAYLOAD(h, 0), &s) < 0)
			continue;
		if (r->seen++ >= r->max)
			return 0;
		r->fn(r->ctx, &s);
	}
	return 1;
}

static int dump(int fd, int family, uint32_t states, struct reader *r)
{
	_Alignas(struct nlmsghdr) char reply[REPLY_MAX];
	int more = ask(fd, family, states);

	for (more = more < 0 ? more : 1; more > 0;) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		more = n < 0 ? -errno : n == 0 ? 0 : take_reply(reply, (int)n, r);
	}
	return more;
}

int sockdiag_tcp(int pid, uint64_t netns, uint32_t states, unsigned int max, sockdiag_fn fn, void *ctx)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct reader reader = { .fn = fn, .ctx = ctx, .max = max };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0 && reader.seen < max; i++) {
		/* A socket each: an answer that was not read to its end must not stand before the next. */
		AUTO_CLOSE int fd = sockdiag_open(pid, netns, NETLINK_SOCK_DIAG);

		r = fd < 0 ? fd : dump(fd, families[i], states, &reader);
		if (i > 0 && r == -ENOENT)
			r = 0; /* no IPv6 */
	}
	return r < 0 ? r : (int)MIN(reader.seen, max);
}

/* ---- devices ------------------------------------------------------------------------------------------------ */

static void take_name(const struct rtattr *a, int left, struct diag_link *ret)
{
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_IFNAME)
			snprintf(ret->name, sizeof(ret->name), "%.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
}

/* 1: more is to come, 0: that was all, negative errno. */
static int take_links(const char *reply, int len, struct diag_link *ret_links, unsigned int max, unsigned int *count)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)reply;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		const struct ifinfomsg *m = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
		    m->ifi_flags & IFF_LOOPBACK)
			continue;
		if (*count == max)
			return 0;
		ret_links[*count] = (struct diag_link){ .ifindex = (uint32_t)m->ifi_index,
							.up = m->ifi_flags & IFF_UP,
							.carrier = m->ifi_flags & IFF_LOWER_UP };
		take_name(IFLA_RTA(m), (int)IFLA_PAYLOAD(h), &ret_links[(*count)++]);
	}
	return 1;
}

int sockdiag_links(int pid, uint64_t netns, struct diag_link *ret_links, unsigned int max)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg request;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	AUTO_CLOSE int fd = sockdiag_open(pid, netns, NETLINK_ROUTE);
	_Alignas(struct nlmsghdr) char reply[REPLY_MAX];
	unsigned int count = 0;
	int more = 1;

	if (fd < 0)
		return fd;
	if (send(fd, &message, sizeof(message), 0) < 0)
		return -errno;
	while (more > 0) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		more = n < 0 ? -errno : n == 0 ? 0 : take_links(reply, (int)n, ret_links, max, &count);
	}
	return more < 0 ? more : (int)count;
}
