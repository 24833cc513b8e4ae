/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/probe_ready.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/strbuf.h"

#define ANSWER_MAX 32768

static size_t take(char *data, size_t size, size_t count, void *ctx)
{
	struct strbuf *answer = ctx;

	if (answer->len + size * count > ANSWER_MAX)
		return 0;
	strbuf_add(answer, data, size * count);
	return size * count;
}

/* The address is our own: a certificate made for the name others know is no news here. */
static void set_target(CURL *curl, const struct web_listen *listen)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&listen->addr; /* IPv6 has its port there, too */
	char url[160], host[64];

	if (listen->addr.ss_family == AF_UNIX) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, ((const struct sockaddr_un *)&listen->addr)->sun_path);
		curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/readyz");
		return;
	}
	web_host_name(&listen->addr, host, sizeof(host));
	if (listen->any)
		snprintf(host, sizeof(host), "%s", listen->addr.ss_family == AF_INET ? "127.0.0.1" : "[::1]");
	snprintf(url, sizeof(url), "http%s://%s:%u/readyz", listen->tls ? "s" : "", host, ntohs(in->sin_port));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

json_t *probe_ready(const struct web_listen *listen)
{
	AUTO(strbuf) struct strbuf answer = STRBUF_INIT;
	CURL *curl = curl_easy_init();
	CURLcode code;

	if (!curl)
		return NULL;
	set_target(curl, listen);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 1000L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return code == CURLE_OK ? json_loads(strbuf_str(&answer), 0, NULL) : NULL;
}
