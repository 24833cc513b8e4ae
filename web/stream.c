/* SPDX-License-Identifier: Apache-2.0 */
#include "web/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"

struct stream {
	pthread_mutex_t lock;
	char *kept[STREAM_KEPT]; /* message i is at i % STREAM_KEPT; NULL: it was lost for want of memory */
	uint64_t first, next;	 /* ids kept: [first, next) */
	struct stream_client *clients;
	unsigned int client_count;
	int64_t posted_ns;
	bool closed;
};

struct stream_client {
	struct stream *stream;
	struct stream_client *before, *after;
	uint64_t next;
	size_t offset;		    /* of what was sent of message next already */
	struct stream_sleep asleep; /* wake is NULL while awake */
};

struct stream *stream_new(uint64_t first_id)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->first = s->next = first_id ? first_id : 1;
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STREAM_KEPT; i++)
		free(s->kept[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void wake_all(struct stream *s)
{
	for (struct stream_client *c = s->clients; c; c = c->after) {
		struct stream_sleep asleep = c->asleep;

		c->asleep = (struct stream_sleep){ 0 };
		if (asleep.wake)
			asleep.wake(asleep.ctx);
	}
}

/* Takes the text over. */
static void keep(struct stream *s, char *text, int64_t now_ns)
{
	char **place = &s->kept[s->next % STREAM_KEPT];

	free(*place);
	*place = text;
	s->next++;
	if (s->next - s->first > STREAM_KEPT)
		s->first = s->next - STREAM_KEPT;
	s->posted_ns = now_ns;
	wake_all(s);
}

void stream_post(struct stream *s, const char *event, const char *data, int64_t now_ns)
{
	struct strbuf text = STRBUF_INIT;

	pthread_mutex_lock(&s->lock);
	strbuf_addf(&text, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", s->next, event, data);
	keep(s, strbuf_detach(&text, NULL), now_ns);
	pthread_mutex_unlock(&s->lock);
}

void stream_keep_alive(struct stream *s, int64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	if (now_ns - s->posted_ns >= STREAM_SILENCE_NS)
		keep(s, strdup(": nothing new\n\n"), now_ns);
	pthread_mutex_unlock(&s->lock);
}

void stream_close(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->closed = true;
	wake_all(s);
	pthread_mutex_unlock(&s->lock);
}

static int join_locked(struct stream *s, uint64_t after, struct stream_client **ret_client)
{
	struct stream_client *c;

	if (s->closed)
		return -ESHUTDOWN;
	if (s->client_count == STREAM_CLIENTS_MAX)
		return -EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->stream = s;
	c->next = after && after < s->next ? after + 1 : s->next;
	c->after = s->clients;
	if (c->after)
		c->after->before = c;
	s->clients = c;
	s->client_count++;
	*ret_client = c;
	return 0;
}

int stream_join(struct stream *s, uint64_t after, struct stream_client **ret_client)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = join_locked(s, after, ret_client);
	pthread_mutex_unlock(&s->lock);
	return r;
}

void stream_leave(struct stream_client *c)
{
	struct stream *s = c ? c->stream : NULL;

	if (!c)
		return;
	pthread_mutex_lock(&s->lock);
	*(c->before ? &c->before->after : &s->clients) = c->after;
	if (c->after)
		c->after->before = c->before;
	s->client_count--;
	pthread_mutex_unlock(&s->lock);
	free(c);
}

/* A message that left the ring half sent ends as it is: the blank line of the next one makes a field nobody knows. */
static ssize_t say_missed(struct stream_client *c, char *buf, size_t size)
{
	static const char text[] = "\n\nevent: missed\ndata: {}\n\n";
	size_t n = MIN(size, sizeof(text) - 1);

	memcpy(buf, text, n);
	c->next = c->stream->first;
	c->offset = 0;
	return (ssize_t)n;
}

static ssize_t read_locked(struct stream_client *c, char *buf, size_t size)
{
	struct stream *s = c->stream;
	size_t n = 0;

	if (c->next < s->first)
		return say_missed(c, buf, size);
	while (c->next < s->next && n < size) {
		const char *text = s->kept[c->next % STREAM_KEPT], *rest = text ? text + c->offset : "";
		size_t len = strlen(rest), part = MIN(len, size - n);

		memcpy(buf + n, rest, part);
		n += part;
		c->offset += part;
		if (part == len) {
			c->next++;
			c->offset = 0;
		}
	}
	return (ssize_t)n;
}

ssize_t stream_read(struct stream_client *c, char *buf, size_t size, const struct stream_sleep *how)
{
	struct stream *s = c->stream;
	ssize_t n;

	pthread_mutex_lock(&s->lock);
	n = read_locked(c, buf, size);
	if (!n && s->closed) {
		n = -ESHUTDOWN;
	} else if (!n) {
		c->asleep = *how;
		how->sleep(how->ctx);
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}
