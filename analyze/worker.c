/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyze/wire.h"
#include "base/timeutil.h"

#define GRACE_NS (3 * NSEC_PER_SEC) /* to start, and to say that time is up */
#define FRAME_SLACK (1 << 20)
#define READ_SIZE 65536

struct worker {
	const struct worker_request *request;
	query_row_fn fn;
	void *ctx;
	pid_t pid;
	int in_fd, out_fd; /* our ends of its pipes */
	int64_t deadline_ns;
	struct strbuf input;
	size_t taken; /* of input */
	int count;
	char *names_frame;
	const char **names;
	struct query_value *values;
	struct strbuf *warnings, *error;
	bool *truncated;
	bool ended, died; /* said how it went; did not */
	int64_t result;
};

/* ---- the process ------------------------------------------------------------------------------------------ */

/* Between fork() and exec() of a program with threads only what signal-safety(7) lists. */
static void become_worker(const char *program, int in_fd, int out_fd)
{
	char *const argv[] = { "kwhy", WORKER_VERB, NULL };
	char *const envp[] = { NULL };
	sigset_t none;

	sigemptyset(&none);
	if (dup2(in_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) ||
	    close_range(STDERR_FILENO + 1, ~0U, 0))
		_exit(1);
	execve(program, argv, envp);
	_exit(1);
}

static int start(struct worker *w)
{
	int to[2], from[2], error;

	if (pipe2(to, O_CLOEXEC))
		return -errno;
	if (pipe2(from, O_CLOEXEC)) {
		error = -errno;
		close(to[0]);
		close(to[1]);
		return error;
	}
	w->pid = fork();
	error = w->pid < 0 ? -errno : 0;
	if (!w->pid)
		become_worker(w->request->program, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	w->in_fd = to[1];
	w->out_fd = from[0];
	return error;
}

/* What the process died of, when it did not say how the query ended. */
static int64_t describe_death(struct worker *w, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
		strbuf_addstr(w->error, "the query took longer than it may");
		return -ETIME;
	}
	if (WIFSIGNALED(status))
		strbuf_addf(w->error, "the query's process was killed by signal %d", WTERMSIG(status));
	else
		strbuf_addf(w->error, "the query's process ended with status %d", WEXITSTATUS(status));
	return -EIO;
}

static void stop(struct worker *w)
{
	int status = 0;

	if (w->in_fd >= 0)
		close(w->in_fd);
	if (w->out_fd >= 0)
		close(w->out_fd);
	if (w->pid <= 0)
		return;
	if (!w->died)
		kill(w->pid, SIGKILL); /* it has nothing more to do: it said its end, or was given up */
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (w->died)
		w->result = describe_death(w, status);
}

/* ---- talk ------------------------------------------------------------------------------------------------- */

static void put_request(const struct worker_request *q, struct strbuf *out)
{
	size_t begin = wire_begin(out, FRAME_REQUEST);

	wire_put_text(out, q->state_dir, strlen(q->state_dir));
	wire_put_text(out, q->sql, strlen(q->sql));
	wire_put_int(out, q->from_ns);
	wire_put_int(out, q->to_ns);
	wire_put_int(out, q->at_ns);
	wire_put_int(out, q->limits.rows);
	wire_put_int(out, q->limits.time_ns);
	wire_put_int(out, q->limits.bytes ? q->limits.bytes : WORKER_BYTES);
	wire_put_int(out, q->memory_bytes);
	wire_put_int(out, (int64_t)q->param_count);
	for (size_t i = 0; i < q->param_count; i++) {
		const struct query_param *p = &q->params[i];
		int64_t real;

		memcpy(&real, &p->real, sizeof(real));
		wire_put_text(out, p->name, strlen(p->name));
		wire_put_int(out, p->type);
		wire_put_int(out, p->integer);
		wire_put_int(out, real);
		wire_put_text(out, p->text ? p->text : "", p->text ? strlen(p->text) : 0);
	}
	wire_end(out, begin);
}

static int send_request(struct worker *w)
{
	AUTO(strbuf) struct strbuf out = STRBUF_INIT;
	size_t done = 0;
	ssize_t n;

	put_request(w->request, &out);
	if (strbuf_error(&out))
		return -ENOMEM;
	while (done < out.len && (n = write(w->in_fd, out.data + done, out.len - done)) > 0)
		done += (size_t)n;
	close(w->in_fd);
	w->in_fd = -1;
	w->died = done < out.len;
	return w->died ? -EIO : 0;
}

static int take_names(struct worker *w, struct wire *f)
{
	int64_t count = wire_get_int(f);

	/* The frame's bytes move as more come in; names are needed to the end. */
	if (w->names || count < 0 || count > (int64_t)f->len)
		return -EBADMSG;
	w->names_frame = malloc(f->len + 1);
	w->names = calloc((size_t)count + 1, sizeof(*w->names));
	w->values = calloc((size_t)count + 1, sizeof(*w->values));
	if (!w->names_frame || !w->names || !w->values)
		return -ENOMEM;
	memcpy(w->names_frame, f->data, f->len);
	f->data = w->names_frame;
	w->count = (int)count;
	for (int i = 0; i < w->count; i++)
		w->names[i] = wire_get_text(f, NULL);
	return f->bad ? -EBADMSG : 0;
}

static void take_value(struct wire *f, struct query_value *v)
{
	int64_t type = wire_get_int(f), bits;
	size_t len;

	*v = (struct query_value){ .type = VALUE_NULL };
	switch (type) {
	case VALUE_NULL:
		break;
	case VALUE_INT:
		v->integer = wire_get_int(f);
		break;
	case VALUE_REAL:
		bits = wire_get_int(f);
		memcpy(&v->real, &bits, sizeof(v->real));
		break;
	case VALUE_TEXT:
	case VALUE_BLOB:
		v->text = wire_get_text(f, &len);
		v->size = (int)len;
		break;
	default:
		f->bad = true;
		return;
	}
	v->type = type;
}

static int take_row(struct worker *w, struct wire *f)
{
	if (!w->names)
		return -EBADMSG;
	for (int i = 0; i < w->count; i++)
		take_value(f, &w->values[i]);
	if (f->bad)
		return -EBADMSG;
	return w->fn ? w->fn(w->ctx, w->count, w->names, w->values) : 0;
}

static int take_end(struct worker *w, struct wire *f)
{
	w->result = wire_get_int(f);
	*w->truncated = wire_get_int(f);
	strbuf_addstr(w->warnings, wire_get_text(f, NULL));
	strbuf_addstr(w->error, wire_get_text(f, NULL));
	w->ended = true;
	return f->bad ? -EBADMSG : 0;
}

static int take_frames(struct worker *w)
{
	size_t max = (size_t)(w->request->limits.bytes ? w->request->limits.bytes : WORKER_BYTES) + FRAME_SLACK;
	enum frame_type type;
	struct wire frame;
	int64_t size;
	int r = 0;

	while (!r && !w->ended &&
	       (size = wire_frame(w->input.data + w->taken, w->input.len - w->taken, max, &type, &frame)) != 0) {
		if (size < 0)
			return (int)size;
		w->taken += (size_t)size;
		r = type == FRAME_NAMES ? take_names(w, &frame)
		    : type == FRAME_ROW ? take_row(w, &frame)
		    : type == FRAME_END ? take_end(w, &frame)
					: -EBADMSG;
	}
	/* What was taken makes room. */
	if (w->taken && w->input.len) {
		memmove(w->input.data, w->input.data + w->taken, w->input.len - w->taken);
		w->input.len -= w->taken;
		w->taken = 0;
	}
	return r;
}

/* 0, -ETIME, or -EIO when it ended. */
static int receive(struct worker *w)
{
	struct pollfd p = { .fd = w->out_fd, .events = POLLIN };
	int64_t left_ns = w->deadline_ns - time_boot_ns();
	char chunk[READ_SIZE];
	ssize_t n;

	if (left_ns <= 0)
		return -ETIME;
	if (poll(&p, 1, (int)(left_ns / 1000000) + 1) <= 0)
		return 0;
	n = read(w->out_fd, chunk, sizeof(chunk));
	if (n < 0 && errno == EINTR)
		return 0;
	w->died = n <= 0;
	if (w->died)
		return -EIO;
	strbuf_add(&w->input, chunk, (size_t)n);
	return strbuf_error(&w->input);
}

static void converse(struct worker *w)
{
	int r = send_request(w);

	while (!r && !w->ended) {
		r = receive(w);
		if (!r)
			r = take_frames(w);
	}
	if (!r)
		return;
	w->result = r;
	if (r == -ETIME)
		strbuf_addstr(w->error, "the query took longer than it may");
}

int64_t worker_query(const struct worker_request *request, query_row_fn fn, void *ctx, bool *ret_truncated,
		     struct strbuf *ret_warnings, struct strbuf *ret_error)
{
	struct worker w = { .request = request,
			    .fn = fn,
			    .ctx = ctx,
			    .in_fd = -1,
			    .out_fd = -1,
			    .deadline_ns = time_boot_ns() + request->limits.time_ns + GRACE_NS,
			    .warnings = ret_warnings,
			    .error = ret_error,
			    .truncated = ret_truncated };

	*ret_truncated = false;
	if (!request->program) {
		strbuf_addstr(ret_error, "queries cannot be run here");
		return -ENOTSUP;
	}
	w.result = start(&w);
	if (!w.result)
		converse(&w);
	else
		strbuf_addf(ret_error, "no process for the query: %s", strerror((int)-w.result));
	stop(&w);
	strbuf_cleanup(&w.input);
	free(w.names_frame);
	free(w.names);
	free(w.values);
	return w.result;
}
