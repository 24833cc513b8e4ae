/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/probe_ready.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"

json_t *probe_ready(const struct web_listen *listen)
{
	static const char request[] = "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
	const struct timeval limit = { .tv_usec = 500000 };
	AUTO_CLOSE int fd = socket(listen->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[32768];
	size_t len = 0;
	ssize_t n;
	char *body;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (const struct sockaddr *)&listen->addr, listen->addr_len) ||
	    send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
		return NULL;
	while (len < sizeof(answer) - 1 && (n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)n;
	answer[len] = 0;
	body = strstr(answer, "\r\n\r\n");
	return body ? json_loads(body + 4, 0, NULL) : NULL;
}
