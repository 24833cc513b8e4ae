/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fileutil.h"
#include "base/timeutil.h"

struct fixture {
	char folder[32];
	char path[64];
	struct config *config;
	struct strbuf error;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->folder, "/tmp/kwhy-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/kwhy.conf", f->folder);
	f->config = config_new();
	assert_non_null(f->config);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->folder);
	config_free(f->config);
	strbuf_cleanup(&f->error);
	free(f);
	return 0;
}

static int load_bytes(struct fixture *f, const char *text, size_t len)
{
	strbuf_reset(&f->error);
	assert_int_equal(file_write_atomic(f->path, text, len, 0600), 0);
	return config_load(f->config, f->path, &f->error);
}

static int load(struct fixture *f, const char *text)
{
	return load_bytes(f, text, strlen(text));
}

static void defaults_are_those_of_the_table(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(config_bytes(f->config, "store.max_size"), INT64_C(2) << 30);
	assert_int_equal(config_ns(f->config, "probe.runq.threshold"), 10 * NSEC_PER_MSEC);
	assert_int_equal(config_int(f->config, "collect.rate"), 200);
	assert_true(config_bool(f->config, "collect.bpf"));
	assert_true(config_ratio(f->config, "analyze.wait_share") == 0.1);
	assert_string_equal(config_string(f->config, "serve.user"), "kwhy");
	assert_string_equal(config_string(f->config, "collect.disabled"), "");
}

static void reads_lines_blanks_and_comments(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "# a comment = 1\n\n  store.max_size=4G# 4G#\n"), -EINVAL);
	assert_int_equal(load(f, "# a comment = 1\n\n \t store.max_size\t=  4G \t# as much as fits\r\n"
				 "collect.bpf = no\n"
				 "collect.disabled = lock, drop#2\n"
				 "analyze.rules =\n"
				 "analyze.usual_factor = 2.5\n"
				 "collect.rate = 7"), 0);
	assert_int_equal(f->error.len, 0);
	assert_int_equal(config_bytes(f->config, "store.max_size"), INT64_C(4) << 30);
	assert_false(config_bool(f->config, "collect.bpf"));
	assert_string_equal(config_string(f->config, "collect.disabled"), "lock, drop#2");
	assert_string_equal(config_string(f->config, "analyze.rules"), "");
	assert_true(config_ratio(f->config, "analyze.usual_factor") == 2.5);
	assert_int_equal(config_int(f->config, "collect.rate"), 7);
}

static void last_of_two_lines_counts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "collect.rate = 1\ncollect.rate = 2\n"), 0);
	assert_int_equal(config_int(f->config, "collect.rate"), 2);
}

static void empty_file_changes_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, ""), 0);
	assert_int_equal(config_int(f->config, "collect.rate"), 200);
}

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text;
		int line, error;
		const char *says;
	} cases[] = {
		{ "no.such.key = 1", 1, -ENOENT, "unknown setting \"no.such.key\"" },
		{ "\n\nstore.max_age = soon\n", 3, -EINVAL, "store.max_age: \"soon\" is not a time span" },
		{ "store.max_age = 106752d\n", 1, -ERANGE, "too large" },
		{ "store.max_size = lots\n", 1, -EINVAL, "is not a size" },
		{ "store.max_size =\n", 1, -EINVAL, "is not a size" },
		{ "collect.rate = 5\ncollect.bpf = maybe", 2, -EINVAL, "is not true or false" },
		{ "collect.rate = -5", 1, -EINVAL, "is not a whole number" },
		{ "collect.rate = 5.5", 1, -EINVAL, "is not a whole number" },
		{ "collect.rate = 99999999999999999999", 1, -ERANGE, "too large" },
		{ "analyze.wait_share = nan", 1, -EINVAL, "is not a number" },
		{ "analyze.wait_share = inf", 1, -EINVAL, "is not a number" },
		{ "analyze.wait_share = -0.1", 1, -EINVAL, "is not a number" },
		{ "analyze.wait_share = 0x1p3", 1, -EINVAL, "is not a number" },
		{ "analyze.wait_share = 1e999", 1, -ERANGE, "too large" },
		{ "# fine\njust words\n", 2, -EINVAL, "key = value" },
		{ "= 5\n", 1, -ENOENT, "unknown setting \"\"" },
		{ "Collect.rate = 5\n", 1, -ENOENT, "unknown setting" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char place[128];

		print_message("# %s\n", cases[i].says);
		assert_int_equal(load(f, cases[i].text), cases[i].error);
		snprintf(place, sizeof(place), "%s:%d: ", f->path, cases[i].line);
		assert_memory_equal(strbuf_str(&f->error), place, strlen(place));
		assert_non_null(strstr(strbuf_str(&f->error), cases[i].says));
		assert_null(strchr(strbuf_str(&f->error), '\n'));
	}
}

static void a_bad_file_changes_no_setting(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "collect.rate = 5\nserve.user = other\nstore.max_age = soon\n"), -EINVAL);
	assert_int_equal(config_int(f->config, "collect.rate"), 200);
	assert_string_equal(config_string(f->config, "serve.user"), "kwhy");
}

static void hostile_text_is_escaped_in_errors(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "a\x1b[31m\xff = 1\n"), -ENOENT);
	assert_non_null(strstr(strbuf_str(&f->error), "\"a?[31m?\""));
	assert_int_equal(load_bytes(f, "a\0b", 3), -EINVAL);
	assert_non_null(strstr(strbuf_str(&f->error), "NUL"));
}

static void a_missing_file_is_named(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(config_load(f->config, "/nonexistent/kwhy.conf", &f->error), -ENOENT);
	assert_string_equal(strbuf_str(&f->error), "/nonexistent/kwhy.conf: No such file or directory");
}

static void a_huge_file_is_refused(void **state)
{
	struct fixture *f = *state;
	size_t len = (1 << 20) + 1;
	AUTO_FREE char *text = malloc(len);

	assert_non_null(text);
	memset(text, '\n', len);
	assert_int_equal(load_bytes(f, text, len - 1), 0);
	assert_int_equal(load_bytes(f, text, len), -EFBIG);
}

static void dump_is_canonical_and_loads_again(void **state)
{
	struct fixture *f = *state;
	AUTO(strbuf) struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;

	assert_int_equal(load(f, "collect.tick = 2000ms\ncollect.bpf = off\nanalyze.rules = /a b#c\n"), 0);
	config_dump(f->config, &first);
	assert_non_null(strstr(strbuf_str(&first), "collect.tick = 2000000000ns\n"));
	assert_non_null(strstr(strbuf_str(&first), "collect.bpf = false\n"));
	assert_int_equal(load(f, "collect.tick = 2s\ncollect.bpf = 0\n"), 0);
	config_dump(f->config, &second);
	assert_string_equal(strbuf_str(&first), strbuf_str(&second));
	assert_int_equal(load(f, strbuf_str(&first)), 0);
	strbuf_reset(&second);
	config_dump(f->config, &second);
	assert_string_equal(strbuf_str(&first), strbuf_str(&second));
}

static void unknown_key(const struct config *c)
{
	config_int(c, "no.such.key");
}

static void wrong_type(const struct config *c)
{
	config_ns(c, "collect.rate");
}

static void misuse_asserts(void **state)
{
	void (*const misuses[])(const struct config *) = { unknown_key, wrong_type };
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(misuses); i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			signal(SIGABRT, SIG_DFL);
			close(STDERR_FILENO);
			misuses[i](f->config);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults_are_those_of_the_table, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_lines_blanks_and_comments, setup, teardown),
		cmocka_unit_test_setup_teardown(last_of_two_lines_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_file_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_name_file_and_line, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bad_file_changes_no_setting, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_text_is_escaped_in_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_file_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_huge_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(dump_is_canonical_and_loads_again, setup, teardown),
		cmocka_unit_test_setup_teardown(misuse_asserts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
