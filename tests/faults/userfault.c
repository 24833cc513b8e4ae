/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that another process provides: lazy migration, snapshots of micro-VMs, user-space swap. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/faults/work.h"

#define PAGE 4096

struct userfault_state {
	struct tally touches[PHASES];
	int sockets[2];
	int pages, delay_ms, period_ms;
	bool computes; /* the handler before it answers, else it sleeps */
	bool stuck;    /* it answers nothing while the fault lasts */
	bool keeps;    /* the victim keeps a copy of the descriptor it gives away */
};

static int send_fd(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec byte = { "", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control.bytes) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec one = { &byte, 1 };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || message.msg_controllen < CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* Memory whose pages come from whoever has the descriptor; NULL when the kernel refuses. */
static char *lazy_memory(const struct userfault_state *st, int *ret_fd)
{
	size_t size = (size_t)st->pages * PAGE;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .range = { (uintptr_t)p, size }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (p == MAP_FAILED || fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &area) < 0)
		return NULL;
	*ret_fd = fd;
	return p;
}

/* Works through its memory page by page, and then anew. */
static void toucher(struct sandbox *sb, void *arg)
{
	struct userfault_state *st = arg;
	int fd = -1, at = 0;
	char *p = lazy_memory(st, &fd);
	enum phase phase;

	if (!p || send_fd(st->sockets[0], fd) < 0)
		return;
	if (!st->keeps)
		close(fd);
	while ((phase = sandbox_phase(sb)) < PHASE_STOP) {
		int64_t began = clock_ns();

		*(volatile char *)(p + (size_t)at * PAGE) = 1;
		tally_add(st->touches, phase, sandbox_phase(sb), clock_ns() - began);
		at = (at + 1) % st->pages;
		if (at == 0)
			madvise(p, (size_t)st->pages * PAGE, MADV_DONTNEED);
		burn_cpu(MS / 2);
		nap_ns(st->period_ms * MS);
	}
}

static void delay_answer(struct sandbox *sb, const struct userfault_state *st)
{
	do {
		if (st->computes)
			burn_cpu(st->delay_ms * MS);
		else
			nap_ns(st->delay_ms * MS);
	} while (st->stuck && sandbox_phase(sb) == PHASE_FAULT);
}

static void handler(struct sandbox *sb, void *arg)
{
	struct userfault_state *st = arg;
	AUTO_CLOSE int fd = receive_fd(st->sockets[1]);
	char page[PAGE] __attribute__((aligned(PAGE))) = "";

	while (fd >= 0 && sandbox_phase(sb) < PHASE_STOP) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		struct uffdio_copy copy = { .src = (uintptr_t)page, .len = PAGE };
		struct uffd_msg message;

		if (poll(&ready, 1, 50) <= 0 || read(fd, &message, sizeof(message)) != sizeof(message))
			continue;
		if (sandbox_phase(sb) == PHASE_FAULT)
			delay_answer(sb, st);
		copy.dst = message.arg.pagefault.address & ~(uint64_t)(PAGE - 1);
		ioctl(fd, UFFDIO_COPY, &copy);
	}
}

static int userfault_setup(struct sandbox *sb)
{
	struct userfault_state *st = sb->state;
	int r = container_new(sb, &sb->victim);

	if (r == 0)
		r = container_new(sb, &sb->culprit);
	if (r < 0)
		return r;
	st->pages = sandbox_random(sb, 16, 200);
	st->delay_ms = sandbox_random(sb, 130, 350);
	st->period_ms = sandbox_random(sb, 3, 12);
	st->computes = sandbox_chance(sb, 0.5);
	st->stuck = sandbox_chance(sb, 0.3);
	st->keeps = sandbox_chance(sb, 0.5);
	facts_int(&sb->params, "pages", st->pages);
	facts_int(&sb->params, "delay_ms", st->delay_ms);
	facts_str(&sb->params, "handler", st->computes ? "computes" : "sleeps");
	facts_int(&sb->params, "stuck", st->stuck);
	facts_int(&sb->params, "victim_keeps_descriptor", st->keeps);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, st->sockets) < 0)
		return -errno;
	r = sandbox_spawn(sb, sb->culprit, handler, st);
	if (r > 0)
		r = sandbox_spawn(sb, sb->victim, toucher, st);
	close(st->sockets[0]);
	close(st->sockets[1]);
	return r < 0 ? r : busy_container(sb, &sb->bystander);
}

static int userfault_proof(struct sandbox *sb)
{
	struct userfault_state *st = sb->state;

	facts_tally(&sb->proof, "touch", st->touches);
	if (!st->touches[PHASE_BEFORE].count)
		return sandbox_fail(sb, -ENODATA, "userfaultfd is not to be had");
	return st->touches[PHASE_FAULT].max_ns > 120 * (uint64_t)MS ? 0 : -ENODATA;
}

const struct fault fault_fault_handler = {
	.name = "fault_handler",
	.cause = "mem.fault_handler",
	.text = "A container's page faults wait for a process in another one that provides the pages (userfaultfd).",
	.probes = "blocked",
	.needs = "root, userfaultfd",
	.setup = userfault_setup,
	.proof = userfault_proof,
};
