/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kwhy costs, as ratios within one run: each round measures every load with nothing, with a kwhy of its own that
 * has everything on, and with the other observers asked for.  A ratio is the CPU time against the mean of the two
 * measurements with nothing around it, so that a host that gets slower by and by does not count.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/log.h"
#include "base/timeutil.h"
#include "cli/bench_load.h"
#include "cli/cli.h"
#include "cli/probe_ready.h"
#include "cli/signals.h"
#include "cli/term.h"
#include "web/listen.h"

#define LOADS_MAX 8
#define ROUNDS_MAX 99
#define REPEATS 9
#define READY_NS (60 * NSEC_PER_SEC)
#define SETTLE_MS 2000
#define STOP_NS (15 * NSEC_PER_SEC)

enum { NOTHING, KWHY, OBSERVERS_MAX = 2 + CLI_AGAINST_MAX };

/* One load under one observer in one round. */
struct sample {
	int64_t load_ns; /* CPU time of the load */
	double own_cpu;  /* of the observer, in CPUs */
	double own_bytes;
};

struct observer {
	const char *name; /* its command line, but for NOTHING and KWHY */
	char why[96];     /* it does not run here; "" it does */
	pid_t pid;
	struct sample sample[LOADS_MAX][ROUNDS_MAX + 1];
};

struct bench {
	const struct cli *cli;
	const char *load[LOADS_MAX];
	size_t load_count, observer_count;
	unsigned int rounds;
	int signals;
	bool stopped;
	struct observer observer[OBSERVERS_MAX];
	char dir[64]; /* state of our own kwhy */
};

/* ---- observers ----------------------------------------------------------------------------------------------------- */

static void exec_kwhy(const struct bench *b, const char *listen)
{
	const char *argv[CLI_ARGS_MAX] = { "kwhy", "up", "--state", b->dir, "--listen", listen };
	const struct strbuf *more = &b->cli->config_args;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t n = 6;

	for (size_t at = 0; at < more->len && n < CLI_ARGS_MAX - 1; at += strlen(more->data + at) + 1)
		argv[n++] = more->data + at;
	dup2(null, 1);
	dup2(null, 2);
	execv("/proc/self/exe", (char *const *)argv);
	_exit(CLI_STORE);
}

static bool is_over(struct observer *o)
{
	int status;

	if (waitpid(o->pid, &status, WNOHANG) != o->pid)
		return false;
	o->pid = 0;
	if (WIFEXITED(status))
		snprintf(o->why, sizeof(o->why), "it ended with status %d", WEXITSTATUS(status));
	else
		snprintf(o->why, sizeof(o->why), "it was ended by signal %d", WTERMSIG(status));
	return true;
}

static bool kwhy_is_ready(const char *listen)
{
	AUTO(strbuf) struct strbuf err = STRBUF_INIT;
	struct web_listen at;
	json_t *answer = web_listen_parse(listen, 0, &at, &err) ? NULL : probe_ready(&at);
	bool ready = json_is_true(json_object_get(answer, "ready"));

	json_decref(answer);
	return ready;
}

/* Whether a process has something attached in the kernel, by the names of its descriptors. */
static bool has_attached(pid_t pid)
{
	char path[64], target[64];

	for (int fd = 3; fd < 256; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[MAX(n, 0)] = '\0';
		if (strstr(target, "perf_event") || strstr(target, "bpf_link") || strstr(target, "raw-tracepoint"))
			return true;
	}
	return false;
}

static bool take_break(struct bench *b, int ms)
{
	b->stopped = b->stopped || signals_wait(b->signals, ms) != 0;
	return !b->stopped;
}

static void observer_start(struct bench *b, struct observer *o)
{
	bool is_kwhy = o == &b->observer[KWHY];
	int64_t until_ns = time_boot_ns() + READY_NS;
	char listen[96];

	snprintf(listen, sizeof(listen), "unix:%s/bench.sock", b->dir);
	o->pid = fork();
	if (!o->pid) {
		signals_unblock();
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (is_kwhy)
			exec_kwhy(b, listen);
		_exit(bench_exec(o->name));
	}
	if (o->pid < 0) {
		snprintf(o->why, sizeof(o->why), "fork: %s", strerror(errno));
		o->pid = 0;
		return;
	}
	while (!is_over(o) && take_break(b, 100)) {
		if (is_kwhy ? kwhy_is_ready(listen) : has_attached(o->pid)) {
			take_break(b, SETTLE_MS);
			return;
		}
		if (time_boot_ns() > until_ns) {
			snprintf(o->why, sizeof(o->why), "nothing attached within a minute");
			return;
		}
	}
}

static void observer_stop(struct bench *b, struct observer *o)
{
	int64_t until_ns = time_boot_ns() + STOP_NS;

	if (!o->pid)
		return;
	kill(o->pid, SIGINT);
	while (waitpid(o->pid, NULL, WNOHANG) == 0) {
		if (time_boot_ns() > until_ns)
			kill(-o->pid, SIGKILL);
		usleep(50000);
	}
	o->pid = 0;
	if (o != &b->observer[KWHY])
		return;
	dir_remove(b->dir);
	mkdir(b->dir, 0755);
}

/* ---- what an observer itself takes ---------------------------------------------------------------------------------- */

struct took {
	int64_t ticks, kib;
};

/* CPU time and memory of a process and those below it. */
static void add_took(pid_t pid, unsigned int depth, struct took *sum)
{
	char path[64], text[8192], *at;
	unsigned long user, system;
	int64_t kib;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	at = strrchr(text, ')');
	if (at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
		sum->ticks += (int64_t)(user + system);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) > 0 && text_lookup_int(text, "Pss", &kib) == 0)
		sum->kib += kib;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (depth > 4 || file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	for (char *end; (pid = (pid_t)strtol(at = text, &end, 10)) > 0 && end != at; memmove(text, end, strlen(end) + 1))
		add_took(pid, depth + 1, sum);
}

static struct took observer_took(const struct observer *o)
{
	struct took t = { 0 };

	if (o->pid)
		add_took(o->pid, 0, &t);
	return t;
}

/* ---- rounds --------------------------------------------------------------------------------------------------------- */

static bool is_timed(const char *load)
{
	const struct bench_load *known = bench_load_find(load);

	return known && known->timed;
}

/* Of a load of our own, which is short, the least of several runs: what else goes on only ever adds. */
static int run_load(const char *load, int64_t *ret_cpu_ns)
{
	unsigned int repeats = bench_load_find(load) && !is_timed(load) ? REPEATS : 1;
	int64_t least_ns = INT64_MAX, ns;

	for (unsigned int i = 0; i < repeats; i++) {
		int r = bench_load_run(load, &ns);

		if (r) {
			log_error("the load \"%s\" failed: %s", load, r < 0 ? strerror(-r) : "its exit status is not 0");
			return CLI_HOST;
		}
		least_ns = MIN(least_ns, ns);
	}
	*ret_cpu_ns = least_ns;
	return CLI_OK;
}

static int measure(struct bench *b, struct observer *o, unsigned int round)
{
	for (size_t i = 0; i < b->load_count && take_break(b, 0); i++) {
		struct sample *s = &o->sample[i][round];
		struct took before = observer_took(o), after;
		int64_t begin_ns = time_boot_ns(), wall_ns;
		int code = run_load(b->load[i], &s->load_ns);

		if (code)
			return code;
		wall_ns = time_boot_ns() - begin_ns;
		after = observer_took(o);
		s->own_cpu = (double)(after.ticks - before.ticks) / (double)sysconf(_SC_CLK_TCK) * 1e9 / (double)wall_ns;
		s->own_bytes = (double)after.kib * 1024;
	}
	return b->stopped ? CLI_PARTIAL : CLI_OK;
}

static int run_round(struct bench *b, unsigned int round)
{
	int code = measure(b, &b->observer[NOTHING], round);

	for (size_t i = KWHY; i < b->observer_count && !code; i++) {
		struct observer *o = &b->observer[i];

		if (o->why[0])
			continue;
		observer_start(b, o);
		if (!o->why[0])
			code = measure(b, o, round);
		observer_stop(b, o);
		if (o->why[0])
			log_warning("left out: \"%s\": %s", i == KWHY ? "kwhy up" : o->name, o->why);
	}
	return code;
}

static int run_rounds(struct bench *b)
{
	int code = CLI_OK;
	int64_t ns;

	for (size_t i = 0; i < b->load_count && !code; i++) /* warm */
		if (!is_timed(b->load[i]))
			code = run_load(b->load[i], &ns);
	for (unsigned int round = 0; round < b->rounds && !code; round++) {
		code = run_round(b, round);
		log_info("round %u of %u", round + 1, b->rounds);
	}
	return code ? code : measure(b, &b->observer[NOTHING], b->rounds);
}

static void print_bare(const char *load, int64_t ns)
{
	json_t *row = json_pack("{s:s, s:o}", "load", load, "cpu_ns", json_sprintf("%" PRId64, ns));

	term_json(row);
	json_decref(row);
}

static int run_bare(const struct bench *b)
{
	int code = CLI_OK;
	int64_t ns;

	for (size_t i = 0; i < b->load_count && !code; i++) {
		code = run_load(b->load[i], &ns);
		if (!code && b->cli->json)
			print_bare(b->load[i], ns);
		else if (!code)
			printf("%s: %.3f s of CPU time\n", b->load[i], (double)ns / 1e9);
	}
	return code;
}

/* ---- results -------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct spread {
	double least, median, most;
};

static struct spread spread_of(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return (struct spread){ v[0], (v[(n - 1) / 2] + v[n / 2]) / 2, v[n - 1] };
}

static json_t *row_of(const struct bench *b, size_t load, const struct observer *o)
{
	const struct sample *without = b->observer[NOTHING].sample[load], *with = o->sample[load];
	double ratio[ROUNDS_MAX], cpu[ROUNDS_MAX], bytes[ROUNDS_MAX];
	struct spread s;
	json_t *row;

	for (unsigned int i = 0; i < b->rounds; i++) {
		ratio[i] = 2.0 * (double)with[i].load_ns / (double)MAX(without[i].load_ns + without[i + 1].load_ns, 1);
		cpu[i] = with[i].own_cpu;
		bytes[i] = with[i].own_bytes;
	}
	s = spread_of(ratio, b->rounds);
	row = json_pack("{s:s, s:s, s:i, s:f, s:f}", "load", b->load[load], "with",
			o == &b->observer[KWHY] ? "kwhy" : o->name, "rounds", (int)b->rounds, "own_cpu",
			spread_of(cpu, b->rounds).median, "own_bytes", spread_of(bytes, b->rounds).median);
	if (!is_timed(b->load[load])) {
		json_object_set_new(row, "ratio", json_real(s.median));
		json_object_set_new(row, "least", json_real(s.least));
		json_object_set_new(row, "most", json_real(s.most));
	}
	return row;
}

static void add_real(struct table *t, const char *format, const json_t *value)
{
	char text[32] = "-";

	if (value)
		snprintf(text, sizeof(text), format, json_real_value(value));
	table_add(t, text);
}

static void add_row(struct table *t, const json_t *row)
{
	table_add(t, json_string_value(json_object_get(row, "load")));
	table_add(t, json_string_value(json_object_get(row, "with")));
	add_real(t, "%.3f", json_object_get(row, "ratio"));
	add_real(t, "%.3f", json_object_get(row, "least"));
	add_real(t, "%.3f", json_object_get(row, "most"));
	add_real(t, "%.4f", json_object_get(row, "own_cpu"));
	table_addf(t, "%.1f MiB", json_real_value(json_object_get(row, "own_bytes")) / 1048576);
}

static void print_results(const struct bench *b)
{
	static const struct column columns[] = {
		{ "LOAD", false, true },  { "WITH", false, true }, { "CPU TIME", true, false }, { "LEAST", true, false },
		{ "MOST", true, false }, { "OWN CPU", true, false }, { "OWN MEMORY", true, false },
	};
	AUTO(table) struct table t = { .columns = columns, .column_count = ARRAY_SIZE(columns) };

	for (size_t load = 0; load < b->load_count; load++)
		for (size_t i = KWHY; i < b->observer_count; i++) {
			json_t *row = b->observer[i].why[0] ? NULL : row_of(b, load, &b->observer[i]);

			if (row && b->cli->json)
				term_json(row);
			else if (row)
				add_row(&t, row);
			json_decref(row);
		}
	if (b->cli->json)
		return;
	table_print(&t);
	printf("\nCPU TIME: of the load (of one of our own the least of %d runs), with / without, median of %u rounds.\n"
	       "OWN: CPUs and memory (PSS) the observer took.\n",
	       REPEATS, b->rounds);
}

static void prepare(struct bench *b)
{
	const struct cli *cli = b->cli;
	static const char *const standard[] = { "idle", "pipe", "syscalls", "http" };

	b->load_count = cli->arg_count ? cli->arg_count : ARRAY_SIZE(standard);
	memcpy(b->load, cli->arg_count ? cli->args : standard, b->load_count * sizeof(*b->load));
	b->rounds = (unsigned int)(cli->rounds ? MIN(cli->rounds, ROUNDS_MAX) : 9);
	b->observer_count = 2 + cli->against_count;
	for (size_t i = 0; i < cli->against_count; i++)
		b->observer[2 + i].name = cli->against[i];
}

/* As root, in a directory for the state of our own kwhy. */
static int run_observed(struct bench *b)
{
	static const int ends[] = { SIGINT, SIGTERM, 0 };
	int code, r;

	if (geteuid()) {
		log_error("kwhy bench starts a kwhy of its own, which needs root");
		return CLI_HOST;
	}
	r = dir_make_temporary(b->dir, sizeof(b->dir), "kwhy-bench");
	if (r || chmod(b->dir, 0755)) {
		log_error("cannot make a directory for the state of kwhy: %s", strerror(r ? -r : errno));
		return CLI_HOST;
	}
	b->signals = signals_open(ends);
	code = run_rounds(b);
	if (!code)
		print_results(b);
	close(b->signals);
	dir_remove(b->dir);
	return !code && b->observer[KWHY].why[0] ? CLI_PARTIAL : code;
}

int verb_bench(struct cli *cli)
{
	struct bench *b = calloc(1, sizeof(*b));
	int code;

	if (!b) {
		log_error("out of memory");
		return CLI_HOST;
	}
	b->cli = cli;
	prepare(b);
	code = cli->bare ? run_bare(b) : run_observed(b);
	free(b);
	return code;
}
