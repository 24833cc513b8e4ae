/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): messages kept in a ring, and a
 * bounded number of clients that each read it at their own pace.  Knows neither sockets nor the store: what happens is
 * posted, and a transport reads.  All functions may be called from any thread.
 *
 * A client that falls behind the ring, or comes back too late, is told that it missed something.
 */
#ifndef KWHY_WEB_STREAM_H
#define KWHY_WEB_STREAM_H

#include <stdint.h>
#include <sys/types.h>

#define STREAM_CLIENTS_MAX 32
#define STREAM_KEPT 256
#define STREAM_SILENCE_NS (INT64_C(15) * 1000000000)

struct stream;
struct stream_client;

/* first_id: of the first message; later than any that clients of an earlier run can have seen. */
struct stream *stream_new(uint64_t first_id); /* NULL when out of memory */
void stream_free(struct stream *s);	      /* every client must have left; NULL is fine */

/* data is one line.  Dropped when out of memory: a client that sees a gap in the ids asks again. */
void stream_post(struct stream *s, const char *event, const char *data, int64_t now_ns);
/* Something to send to everybody when nothing was for STREAM_SILENCE_NS, so that dead connections are noticed. */
void stream_keep_alive(struct stream *s, int64_t now_ns);
/* No more clients; those that are there read what is left and then -ESHUTDOWN. */
void stream_close(struct stream *s);

/*
 * after: id of the last message the client has, 0: it wants only what comes.  0, -EBUSY too many clients, -ESHUTDOWN,
 * -ENOMEM.
 */
int stream_join(struct stream *s, uint64_t after, struct stream_client **ret_client);
void stream_leave(struct stream_client *c); /* NULL is fine */

/* How a transport waits: sleep() is called when there is nothing to read, then wake() once when there is. */
struct stream_sleep {
	void (*sleep)(void *ctx);
	void (*wake)(void *ctx);
	void *ctx;
};
/*
 * Number of bytes put into buf; 0 when there are none, after sleep(); -ESHUTDOWN at the end.  sleep() and wake() are
 * called with the stream's lock held: they must not call back.
 */
ssize_t stream_read(struct stream_client *c, char *buf, size_t size, const struct stream_sleep *how);

#endif
