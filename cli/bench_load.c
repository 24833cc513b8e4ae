/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/timeutil.h"
#include "cli/signals.h"

#define PIPE_TURNS 60000
#define SYSCALLS 1500000
#define REQUESTS 8000
#define CONNECTIONS 8
#define RESPONSE_SIZE 1024
#define IDLE_S 8
#define STORM_S 5
#define RUN_MAX_S 300 /* then the run is killed */
#define WORDS_MAX 64

/* To the last CPU it may use: the first ones often have the most interrupts. */
static void pin(void)
{
	cpu_set_t may, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(may), &may) < 0)
		return;
	for (int i = CPU_SETSIZE - 1; i >= 0 && !CPU_COUNT(&one); i--)
		if (CPU_ISSET(i, &may))
			CPU_SET(i, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void must(bool ok)
{
	if (!ok)
		_exit(1);
}

/* ---- ping-pong over two pipes: nothing but switches --------------------------------------------------------------- */

static void answer(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1)
		must(write(out, &c, 1) == 1);
	_exit(0);
}

/* So many turns, or, unless 0, until then (boot time). */
static void ping_pong(unsigned int turns, int64_t until_ns)
{
	int there[2], back[2];
	char c = 0;
	pid_t pid;

	must(!pipe2(there, O_CLOEXEC) && !pipe2(back, O_CLOEXEC));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		close(there[1]);
		answer(there[0], back[1]);
	}
	for (unsigned int i = 0; until_ns ? i % 64 || time_boot_ns() < until_ns : i < turns; i++)
		must(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1);
	close(there[1]);
	must(waitpid(pid, NULL, 0) == pid);
}

static void run_pipe(void)
{
	pin();
	ping_pong(PIPE_TURNS, 0);
}

/* ---- the cheapest system call -------------------------------------------------------------------------------------- */

static void run_syscalls(void)
{
	pin();
	for (unsigned int i = 0; i < SYSCALLS; i++)
		syscall(SYS_getppid);
}

/* ---- requests over the loopback ------------------------------------------------------------------------------------ */

/* Every message on a connection is one request.  Ends with the last connection. */
static void respond(int listener)
{
	static const char response[RESPONSE_SIZE] = "HTTP/1.1 200 OK\r\nContent-Length: 981\r\n\r\n";
	struct epoll_event e = { .events = EPOLLIN, .data.fd = listener };
	int poll = epoll_create1(EPOLL_CLOEXEC), open = 0;
	char request[512];

	must(poll >= 0 && !epoll_ctl(poll, EPOLL_CTL_ADD, listener, &e));
	for (bool any = false; open || !any;) {
		must(epoll_wait(poll, &e, 1, -1) == 1);
		if (e.data.fd == listener) {
			e = (struct epoll_event){ .events = EPOLLIN, .data.fd = accept(listener, NULL, NULL) };
			must(e.data.fd >= 0 && !epoll_ctl(poll, EPOLL_CTL_ADD, e.data.fd, &e));
			any = ++open;
		} else if (recv(e.data.fd, request, sizeof(request), 0) > 0) {
			must(send(e.data.fd, response, sizeof(response), MSG_NOSIGNAL) == sizeof(response));
		} else {
			close(e.data.fd);
			open--;
		}
	}
	_exit(0);
}

static void ask(int fd)
{
	static const char request[] = "GET /bench HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char response[RESPONSE_SIZE];

	must(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1);
	must(recv(fd, response, sizeof(response), MSG_WAITALL) == sizeof(response));
}

static void run_http(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[CONNECTIONS];
	socklen_t len = sizeof(at);
	pid_t pid;

	must(listener >= 0 && !bind(listener, (struct sockaddr *)&at, len) && !listen(listener, CONNECTIONS) &&
	     !getsockname(listener, (struct sockaddr *)&at, &len));
	pid = fork();
	must(pid >= 0);
	if (!pid)
		respond(listener);
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		must(fds[i] >= 0 && !connect(fds[i], (struct sockaddr *)&at, len));
	}
	for (unsigned int i = 0; i < REQUESTS; i++)
		ask(fds[i % CONNECTIONS]);
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
	must(waitpid(pid, NULL, 0) == pid);
}

/* ---- nothing, and too much ----------------------------------------------------------------------------------------- */

static void run_idle(void)
{
	sleep(IDLE_S);
}

/* Short processes without end, one after the other. */
static void fork_until(int64_t until_ns)
{
	while (time_boot_ns() < until_ns) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid)
			_exit(0);
		must(waitpid(pid, NULL, 0) == pid);
	}
}

/* Two pairs and one that forks for each CPU: all wait for all. */
static void run_storm(void)
{
	int64_t until_ns = time_boot_ns() + STORM_S * NSEC_PER_SEC;
	long tasks = 3 * sysconf(_SC_NPROCESSORS_ONLN);

	for (long i = 0; i < tasks; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (pid)
			continue;
		if (i % 3)
			ping_pong(0, until_ns);
		else
			fork_until(until_ns);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
}

static const struct bench_load loads[] = {
	{ "pipe", "two processes on one CPU that do nothing but switch", run_pipe, false },
	{ "syscalls", "the cheapest system call in a loop", run_syscalls, false },
	{ "http", "requests over the loopback", run_http, false },
	{ "idle", "nothing, for some seconds", run_idle, true },
	{ "storm", "switches and short processes on all CPUs, for some seconds", run_storm, true },
};

const struct bench_load *bench_load_at(size_t i)
{
	return i < ARRAY_SIZE(loads) ? &loads[i] : NULL;
}

const struct bench_load *bench_load_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(loads); i++)
		if (!strcmp(loads[i].name, name))
			return &loads[i];
	return NULL;
}

int bench_exec(const char *command)
{
	AUTO_FREE char *line = strdup(command);
	char *words[WORDS_MAX + 1], *at = line;
	size_t count = 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	while (at && count < WORDS_MAX) {
		words[count] = strsep(&at, " ");
		count += *words[count] != '\0';
	}
	words[count] = NULL;
	if (!count || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return 126;
	execvp(words[0], words);
	return 127;
}

static void run(const char *load)
{
	const struct bench_load *known = bench_load_find(load);

	signals_unblock();
	prctl(PR_SET_NAME, BENCH_COMM);
	alarm(RUN_MAX_S);
	if (!known)
		_exit(bench_exec(load));
	known->run();
	_exit(0);
}

static int64_t ns_of(struct timeval t)
{
	return t.tv_sec * NSEC_PER_SEC + t.tv_usec * NSEC_PER_USEC;
}

int bench_load_run(const char *load, int64_t *ret_cpu_ns)
{
	struct rusage usage;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		run(load);
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -ECANCELED;
	*ret_cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
	return WEXITSTATUS(status);
}
