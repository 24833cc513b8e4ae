/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/embed.h"
#include "base/fileutil.h"
#include "base/log.h"
#include "base/strbuf.h"

static char folder[32];
static int folder_fd = -1;

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/kwhy-test-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "file", "file.tmp", "link", "other" };
	static const char *const folders[] = { "a/b/c", "a/b", "a" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(folder_fd, files[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		unlinkat(folder_fd, folders[i], AT_REMOVEDIR);
	close(folder_fd);
	return rmdir(folder);
}

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *text)
{
	assert_int_equal(file_write_atomic(in_folder("file"), text, strlen(text), 0600), 0);
}

static void reads_up_to_the_room_there_is(void **state)
{
	char buf[8];

	(void)state;
	put("1234567");
	assert_int_equal(file_read(folder_fd, "file", buf, sizeof(buf)), 7);
	assert_string_equal(buf, "1234567");
	put("12345678");
	assert_int_equal(file_read(folder_fd, "file", buf, sizeof(buf)), -E2BIG);
	assert_string_equal(buf, "1234567");
	put("");
	assert_int_equal(file_read(folder_fd, "file", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(file_read(folder_fd, "missing", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(file_read(AT_FDCWD, folder, buf, sizeof(buf)), -EISDIR);
	assert_int_equal(file_read(folder_fd, "file", buf, 0), -EINVAL);
	assert_true(file_read(AT_FDCWD, "/proc/self/comm", buf, sizeof(buf)) != 0);
}

static void reads_whole_files_within_a_bound(void **state)
{
	AUTO_FREE char *data = NULL, *proc = NULL, *empty = NULL;
	char *untouched = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(file_write_atomic(in_folder("file"), "a\0b", 3, 0600), 0);
	assert_int_equal(file_read_alloc(folder_fd, "file", 3, &data, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "a\0b", 4);
	assert_int_equal(file_read_alloc(folder_fd, "file", 2, &untouched, &len), -EFBIG);
	assert_int_equal(file_read_alloc(folder_fd, "missing", 2, &untouched, &len), -ENOENT);
	assert_null(untouched);
	assert_int_equal(len, 3);
	/* A file of /proc says it is empty and is not. */
	assert_int_equal(file_read_alloc(AT_FDCWD, "/proc/self/status", 1 << 20, &proc, &len), 0);
	assert_int_equal(len, strlen(proc));
	assert_non_null(strstr(proc, "Name:"));
	put("");
	assert_int_equal(file_read_alloc(folder_fd, "file", 0, &empty, &len), 0);
	assert_string_equal(empty, "");
}

static void reads_integers(void **state)
{
	static const struct {
		const char *text;
		int error;
		int64_t value;
	} cases[] = {
		{ "0\n", 0, 0 },
		{ "42", 0, 42 },
		{ "-1\n", 0, -1 },
		{ "max\n", 0, INT64_MAX },
		{ "9223372036854771712\n", 0, INT64_C(9223372036854771712) },
		{ "18446744073709551615\n", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "\n", -EINVAL, 0 },
		{ "maximum\n", -EINVAL, 0 },
		{ "12 34\n", -EINVAL, 0 },
		{ "0x10\n", -EINVAL, 0 },
		{ "-\n", -EINVAL, 0 },
		{ "+5\n", -EINVAL, 0 },
		{ "1.5\n", -EINVAL, 0 },
		{ "1                                                                        ", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t value = 0;

		put(cases[i].text);
		assert_int_equal(file_read_int(folder_fd, "file", &value), cases[i].error);
		assert_true(value == cases[i].value);
	}
}

static void replaces_files_whole(void **state)
{
	struct stat st;
	char buf[16];

	(void)state;
	assert_int_equal(file_write_atomic(in_folder("file"), "one", 3, 0640), 0);
	assert_int_equal(file_write_atomic(in_folder("file"), "two", 3, 0604), 0);
	assert_int_equal(file_read(folder_fd, "file", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "two");
	assert_int_equal(fstatat(folder_fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(faccessat(folder_fd, "file.tmp", F_OK, 0), -1);
	assert_int_equal(file_write_atomic(in_folder("missing/file"), "x", 1, 0600), -ENOENT);
	/* A folder of that name cannot be replaced, and nothing is left behind. */
	assert_int_equal(mkdirat(folder_fd, "a", 0700), 0);
	assert_true(file_write_atomic(in_folder("a"), "x", 1, 0600) < 0);
	assert_int_equal(faccessat(folder_fd, "a.tmp", F_OK, 0), -1);
}

/* Whoever can write to the folder must not be able to have another file overwritten. */
static void follows_no_link_under_the_temporary_name(void **state)
{
	char buf[16];

	(void)state;
	assert_int_equal(file_write_atomic(in_folder("other"), "precious", 8, 0600), 0);
	assert_int_equal(symlinkat("other", folder_fd, "file.tmp"), 0);
	put("new");
	assert_int_equal(file_read(folder_fd, "other", buf, sizeof(buf)), 8);
	assert_string_equal(buf, "precious");
	assert_int_equal(file_read(folder_fd, "file", buf, sizeof(buf)), 3);
}

static void makes_folders_with_parents(void **state)
{
	struct stat st;
	AUTO_FREE char *long_path = malloc(5000);

	(void)state;
	assert_int_equal(dir_make(in_folder("a//b/c/"), 0700), 0);
	assert_int_equal(dir_make(in_folder("a/b/c"), 0700), 0);
	assert_int_equal(fstatat(folder_fd, "a/b/c", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	put("x");
	assert_int_equal(dir_make(in_folder("file"), 0700), -ENOTDIR);
	assert_int_equal(dir_make(in_folder("file/a"), 0700), -ENOTDIR);
	assert_int_equal(dir_make("/", 0700), 0);
	assert_int_equal(dir_make("", 0700), -ENOENT);
	assert_non_null(long_path);
	memset(long_path, 'x', 4999);
	long_path[4999] = '\0';
	assert_int_equal(dir_make(long_path, 0700), -ENAMETOOLONG);
}

static void looks_up_values_in_text(void **state)
{
	static const char text[] =
		"nr_periods 12\nnr_throttled -3\nMemTotal:       24576 kB\nnr 7\nbad x\nhuge 99999999999999999999\n"
		"last 5";
	int64_t value = -1;

	(void)state;
	assert_int_equal(text_lookup_int(text, "nr_periods", &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(text_lookup_int(text, "nr_throttled", &value), 0);
	assert_int_equal(value, -3);
	assert_int_equal(text_lookup_int(text, "MemTotal", &value), 0);
	assert_int_equal(value, 24576);
	/* Whole keys only: "nr" is not the beginning of another. */
	assert_int_equal(text_lookup_int(text, "nr", &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(text_lookup_int(text, "last", &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(text_lookup_int(text, "throttled", &value), -ENOENT);
	assert_int_equal(text_lookup_int(text, "bad", &value), -EINVAL);
	assert_int_equal(text_lookup_int(text, "huge", &value), -ERANGE);
	assert_int_equal(text_lookup_int("", "x", &value), -ENOENT);
	assert_int_equal(text_lookup_int("\n\n", "x", &value), -ENOENT);
	assert_int_equal(text_lookup_int("x 1", "", &value), -ENOENT);
	assert_int_equal(text_lookup_int("x\n", "x", &value), -ENOENT);
	assert_int_equal(value, 5);
}

/* What log_*() writes to standard error, which is a file meanwhile. */
static void logged(void (*log)(void), char *ret, size_t size)
{
	int saved = dup(STDERR_FILENO);
	int fd = openat(folder_fd, "file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(saved >= 0 && fd >= 0);
	dup2(fd, STDERR_FILENO);
	log();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	file_read(folder_fd, "file", ret, size);
}

static void log_hostile(void)
{
	log_set_stage("collect");
	log_warning("comm %s", "a\x1b[2J\nkwhy: error: forged\xff");
	log_debug("not shown");
}

static void log_long(void)
{
	char text[10000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set_stage(NULL);
	log_error("%s", text);
}

static void log_by_level(void)
{
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("one");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("two");
	log_error("three");
	log_set_level(LOG_LEVEL_INFO);
}

static void logs_one_clean_line_a_message(void **state)
{
	char text[8192];
	size_t len;

	(void)state;
	logged(log_hostile, text, sizeof(text));
	assert_string_equal(text, "kwhy collect: warning: comm a?[2J?kwhy: error: forged?\n");
	logged(log_long, text, sizeof(text));
	len = strlen(text);
	assert_true(len > 1000 && len < 4096);
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	logged(log_by_level, text, sizeof(text));
	assert_string_equal(text, "kwhy: debug: one\nkwhy: error: three\n");
}

/* Whatever is embedded can be found by its path, is sorted and ends with a NUL byte. */
static void embedded_files_are_found(void **state)
{
	const struct embedded_file *file, *last = NULL;

	(void)state;
	for (size_t i = 0; (file = embedded_at(i)); i++) {
		assert_ptr_equal(embedded_find(file->path), file);
		assert_int_equal(((const char *)file->data)[file->size], '\0');
		if (last)
			assert_true(strcmp(last->path, file->path) < 0);
		last = file;
	}
	assert_null(embedded_find("no/such/file"));
	assert_null(embedded_at(SIZE_MAX));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_up_to_the_room_there_is, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_whole_files_within_a_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_integers, setup, teardown),
		cmocka_unit_test_setup_teardown(replaces_files_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(follows_no_link_under_the_temporary_name, setup, teardown),
		cmocka_unit_test_setup_teardown(makes_folders_with_parents, setup, teardown),
		cmocka_unit_test(looks_up_values_in_text),
		cmocka_unit_test_setup_teardown(logs_one_clean_line_a_message, setup, teardown),
		cmocka_unit_test(embedded_files_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
