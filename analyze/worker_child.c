/* SPDX-License-Identifier: Apache-2.0 */
/* The process that runs a user's SQL. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "analyze/wire.h"
#include "analyze/worker.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

#define REQUEST_MAX (4 << 20)
#define PARAMS_MAX 64
#define FLUSH_SIZE 65536
#define NOBODY 65534
#define NICE 10		      /* behind everything else the host does */
#define OUR_SHARE (64 << 20) /* beside the query's memory: the answer on its way */

struct child {
	struct strbuf in, out;
	struct worker_request request;
	struct query_param params[PARAMS_MAX];
	int out_fd;
	bool named;
};

/* ---- the request ------------------------------------------------------------------------------------------ */

static int read_request(struct child *c, int fd, struct wire *ret_frame)
{
	char chunk[4096];
	enum frame_type type;
	int64_t size;
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && c->in.len <= REQUEST_MAX)
		strbuf_add(&c->in, chunk, (size_t)n);
	size = c->in.len ? wire_frame(c->in.data, c->in.len, REQUEST_MAX, &type, ret_frame) : 0;
	return n || size <= 0 || type != FRAME_REQUEST ? -EBADMSG : 0;
}

static void take_param(struct wire *f, struct query_param *p)
{
	int64_t real;

	p->name = wire_get_text(f, NULL);
	p->type = wire_get_int(f);
	p->integer = wire_get_int(f);
	real = wire_get_int(f);
	memcpy(&p->real, &real, sizeof(real));
	p->text = wire_get_text(f, NULL);
}

static int take_request(struct child *c, struct wire *f)
{
	struct worker_request *q = &c->request;

	q->state_dir = wire_get_text(f, NULL);
	q->sql = wire_get_text(f, NULL);
	q->from_ns = wire_get_int(f);
	q->to_ns = wire_get_int(f);
	q->at_ns = wire_get_int(f);
	q->limits.rows = wire_get_int(f);
	q->limits.time_ns = wire_get_int(f);
	q->limits.bytes = wire_get_int(f);
	q->memory_bytes = wire_get_int(f);
	q->param_count = (size_t)wire_get_int(f);
	q->params = c->params;
	if (f->bad || q->param_count > PARAMS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < q->param_count; i++)
		take_param(f, &c->params[i]);
	return f->bad ? -EBADMSG : 0;
}

/* ---- the answer ------------------------------------------------------------------------------------------- */

static int flush(struct child *c)
{
	size_t done = 0;
	ssize_t n;

	if (strbuf_error(&c->out))
		return -ENOMEM;
	while (done < c->out.len) {
		n = write(c->out_fd, c->out.data + done, c->out.len - done);
		if (n < 0 && errno != EINTR)
			return -EPIPE;
		done += n > 0 ? (size_t)n : 0;
	}
	strbuf_reset(&c->out);
	return 0;
}

static void put_value(struct strbuf *out, const struct query_value *v)
{
	int64_t bits;

	wire_put_int(out, v->type);
	if (v->type == VALUE_INT)
		wire_put_int(out, v->integer);
	memcpy(&bits, &v->real, sizeof(bits));
	if (v->type == VALUE_REAL)
		wire_put_int(out, bits);
	if (v->type == VALUE_TEXT || v->type == VALUE_BLOB)
		wire_put_text(out, v->text ? v->text : "", v->text ? (size_t)v->size : 0);
}

static int put_row(void *ctx, int count, const char *const *names, const struct query_value *values)
{
	struct child *c = ctx;
	size_t begin;

	if (!c->named) {
		begin = wire_begin(&c->out, FRAME_NAMES);
		wire_put_int(&c->out, count);
		for (int i = 0; i < count; i++)
			wire_put_text(&c->out, names[i], strlen(names[i]));
		wire_end(&c->out, begin);
		c->named = true;
	}
	begin = wire_begin(&c->out, FRAME_ROW);
	for (int i = 0; i < count; i++)
		put_value(&c->out, &values[i]);
	wire_end(&c->out, begin);
	return c->out.len >= FLUSH_SIZE || strbuf_error(&c->out) ? flush(c) : 0;
}

static int put_end(struct child *c, int64_t result, bool truncated, const char *warnings, const struct strbuf *error)
{
	size_t begin = wire_begin(&c->out, FRAME_END);

	wire_put_int(&c->out, result);
	wire_put_int(&c->out, truncated);
	wire_put_text(&c->out, warnings, strlen(warnings));
	wire_put_text(&c->out, strbuf_str(error), strlen(strbuf_str(error)));
	wire_end(&c->out, begin);
	return flush(c);
}

/* ---- what it may no longer do ----------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
/* AddressSanitizer reserves terabytes and makes calls of its own. */
#define CONFINED 0
#else
#define CONFINED 1
#endif

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OUR_ARCH
/* What reading open files, memory and time need; opening, sockets, processes and signals to others are not among it. */
static const int allowed_calls[] = {
	__NR_read,	   __NR_write,	   __NR_pread64,	__NR_lseek,	     __NR_fstat,
	__NR_newfstatat,   __NR_close,	   __NR_fcntl,		__NR_mmap,	     __NR_munmap,
	__NR_mremap,	   __NR_mprotect,  __NR_madvise,	__NR_brk,	     __NR_futex,
	__NR_clock_gettime, __NR_gettimeofday, __NR_nanosleep,	__NR_clock_nanosleep, __NR_sched_yield,
	__NR_getpid,	   __NR_gettid,	   __NR_getuid,		__NR_geteuid,	     __NR_getrandom,
	__NR_rt_sigreturn, __NR_rt_sigprocmask, __NR_rt_sigaction, __NR_restart_syscall, __NR_exit,
	__NR_exit_group,
};

/* seccomp(2): everything else is answered with EPERM; calls of another architecture end the process. */
static int filter_calls(void)
{
	struct sock_filter code[2 * ARRAY_SIZE(allowed_calls) + 5];
	struct sock_fprog program = { .filter = code };
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(allowed_calls); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)allowed_calls[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	program.len = (unsigned short)n;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}
#else
static int filter_calls(void)
{
	return 0; /* an architecture whose calls nobody has listed: the other limits hold */
}
#endif

static void limit(int resource, uint64_t value)
{
	/* One more as hard limit: processor time then ends with SIGXCPU, which tells why, and not SIGKILL. */
	const struct rlimit l = { value, value + 1 };

	setrlimit(resource, &l);
}

/* Address space in use, proc(5). */
static uint64_t own_bytes(void)
{
	char text[128];

	return file_read(AT_FDCWD, "/proc/self/statm", text, sizeof(text)) < 0
		       ? 0
		       : strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit_resources(const struct worker_request *q)
{
	setpriority(PRIO_PROCESS, 0, NICE);
	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_CPU, (uint64_t)(q->limits.time_ns / NSEC_PER_SEC) + 2);
	if (CONFINED)
		limit(RLIMIT_AS, own_bytes() + (uint64_t)q->memory_bytes + OUR_SHARE);
	sqlite3_hard_heap_limit64(q->memory_bytes);
}

/* capset(2) without a library; the bounding set does not matter to a process that can execute nothing. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

static int lock_down(const struct worker_request *q)
{
	char seed;
	int r;

	/* What SQLite and libc would open a file for later: the time zone, random numbers. */
	tzset();
	sqlite3_randomness(sizeof(seed), &seed);
	limit_resources(q);
	if (!geteuid() && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	r = drop_capabilities();
	/* A change of user forgets the wish to die with the parent. */
	if (!r && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)))
		r = -errno;
	return r || !CONFINED ? r : filter_calls();
}

/* ---- all -------------------------------------------------------------------------------------------------- */

static int64_t run(struct child *c, bool *ret_truncated, struct strbuf *warnings, struct strbuf *error)
{
	const struct worker_request *q = &c->request;
	struct reader *r = NULL;
	int64_t n = reader_open(q->state_dir, &r, error);

	if (n)
		return n;
	if (q->at_ns)
		reader_as_of(r, q->at_ns);
	n = reader_select(r, q->from_ns, q->to_ns);
	if (n >= 0)
		n = lock_down(q);
	if (n < 0) {
		strbuf_addf(error, "the query could not be prepared: %s", strerror((int)-n));
		return n;
	}
	*ret_truncated = reader_truncated(r);
	strbuf_addstr(warnings, reader_warnings(r));
	/* The reader is not closed: the process ends, and it may no longer do what closing does. */
	return reader_query(r, q->sql, q->params, q->param_count, &q->limits, put_row, c, error);
}

int worker_main(int in_fd, int out_fd)
{
	AUTO(strbuf) struct strbuf error = STRBUF_INIT, warnings = STRBUF_INIT;
	struct child c = { .out_fd = out_fd };
	bool truncated = false;
	struct wire frame;
	int64_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (read_request(&c, in_fd, &frame) || take_request(&c, &frame))
		_exit(2);
	n = run(&c, &truncated, &warnings, &error);
	_exit(put_end(&c, n, truncated, strbuf_str(&warnings), &error) ? 1 : 0);
}
