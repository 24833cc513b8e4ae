/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of user mode get file and offset, from a made-up /proc. */
#include "tests/unit/unit.h"

#include <elf.h>
#include <endian.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/timeutil.h"
#include "collect/usermaps.h"

#define SEC(s) ((uint64_t)((s)*1000000000.0))
#define START_NS (UINT64_C(1234560) * 10000000) /* 1234560 ticks of 10 ms */

static const char maps_text[] =
	"55d0c0000000-55d0c0001000 r--p 00000000 08:01 100                        /usr/bin/work\n"
	"55d0c0001000-55d0c0009000 r-xp 00001000 08:01 100                        /usr/bin/work\n"
	"7f0000000000-7f0000100000 r-xp 00028000 08:01 101                        /usr/lib/libc.so.6 (deleted)\n"
	"7f0000200000-7f0000201000 rwxp 00000000 00:00 0 \n"
	"7f0000300000-7f0000301000 r-xp 00000000 00:01 9                          /memfd:jit;\x1b[31m (deleted)\n"
	"7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\n"
	"not a line\n";

struct fixture {
	char dir[PATH_MAX];
	struct usermaps *maps;
};

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX + 32];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

static void write_process(struct fixture *f, const char *maps, unsigned long long start_ticks)
{
	char text[256], path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/42/task/43", f->dir);
	assert_int_equal(dir_make(path, 0755), 0);
	snprintf(text, sizeof(text), "43 (a) (b) R) R 1 42 42 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 %llu 1000 200\n", start_ticks);
	write_text(f->dir, "42/task/43/stat", text);
	write_text(f->dir, "42/maps", maps);
}

static int setup(void **state)
{
	static struct fixture f;

	assert_int_equal(dir_make_temporary(f.dir, sizeof(f.dir), "kwhy-usermaps"), 0);
	assert_true(strlen(f.dir) < 60);
	f.maps = usermaps_new(f.dir);
	assert_non_null(f.maps);
	write_process(&f, maps_text, 1234560);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	usermaps_free(f->maps);
	dir_remove(f->dir);
	return 0;
}

static const struct kw_party task = { .pid = 42, .tid = 43, .start_ns = START_NS + 5 };

static struct user_frame one(struct fixture *f, uint64_t address, uint64_t ts_ns)
{
	struct user_frame frame;

	usermaps_want(f->maps, &task, ts_ns, &address, 1);
	usermaps_wait(f->maps, 60000);
	usermaps_resolve(f->maps, task.pid, &address, 1, &frame);
	return frame;
}

static void names_files_and_offsets(void **state)
{
	const uint64_t addresses[] = { 0x55d0c0001234, 0x7f0000000010, 0x7f0000200800, 0x7f0000300000, 0x7ffd00001000,
				       0x55d0c0000010, 0x10 };
	static const struct {
		const char *name;
		uint64_t offset;
	} expected[] = { { "work", 0x1234 }, { "libc.so.6", 0x28010 }, { "[anonymous]", 0 }, { "memfd:jit??[31m", 0 },
			 { "[vdso]", 0 }, { "[unknown]", 0 }, { "[unknown]", 0 } };
	struct user_frame frames[7];
	struct fixture *f = *state;

	usermaps_want(f->maps, &task, START_NS + SEC(1), addresses, 7);
	usermaps_wait(f->maps, 60000);
	usermaps_resolve(f->maps, task.pid, addresses, 7, frames);
	for (size_t i = 0; i < 7; i++) {
		assert_string_equal(frames[i].name, expected[i].name);
		assert_int_equal(frames[i].offset, expected[i].offset);
	}
}

/* A function of this very program, as its own symbols name it. */
__attribute__((noinline)) static int somebody_sampled_this(int x)
{
	return x * 3;
}

static void write_own_region(struct fixture *f, const char *dev, uint64_t address)
{
	char line[512], path[PATH_MAX + 64], text[640];
	FILE *maps = fopen("/proc/self/maps", "r");
	uint64_t start = 0, end = 0, offset = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) == 3 && address >= start &&
		    address < end)
			break;
	fclose(maps);
	assert_true(address >= start && address < end);
	snprintf(text, sizeof(text), "%" PRIx64 "-%" PRIx64 " r-xp %08" PRIx64 " %s 77   /bin/me\n", start, end, offset, dev);
	write_process(f, text, 1234560);
	snprintf(path, sizeof(path), "%s/42/map_files", f->dir);
	assert_int_equal(dir_make(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/42/map_files/%" PRIx64 "-%" PRIx64, f->dir, start, end);
	assert_int_equal(symlink("/proc/self/exe", path), 0);
}

static void names_functions(void **state)
{
	uint64_t address = (uint64_t)(uintptr_t)somebody_sampled_this + 1;
	struct fixture *f = *state;
	struct user_frame frame;

	assert_int_equal(somebody_sampled_this(2), 6);
	write_own_region(f, "08:01", address);
	frame = one(f, address, START_NS + SEC(1));
	assert_string_equal(frame.name, "me");
	assert_string_equal(frame.function, "somebody_sampled_this");
	assert_int_equal(frame.into, 1);
}

/* Names in a program's own symbols are those of its compiler. */
__attribute__((noinline)) static int somebody_wrote_this(int x) __asm__("_ZN3foo3barIiEEiv");

static int somebody_wrote_this(int x)
{
	return x * 5;
}

static void names_are_in_clear(void **state)
{
	uint64_t address = (uint64_t)(uintptr_t)somebody_wrote_this + 1;
	struct fixture *f = *state;

	assert_int_equal(somebody_wrote_this(2), 10);
	write_own_region(f, "08:01", address);
	assert_string_equal(one(f, address, START_NS + SEC(1)).function, "foo::bar<int>");
}

#define LARGE_FUNCTIONS 16000

/* An ELF file with as many functions as are kept of one. */
static void write_large_file(const struct fixture *f, const char *name)
{
	const Elf64_Ehdr header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
						 BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB },
				    .e_type = ET_DYN, .e_phoff = sizeof(Elf64_Ehdr),
				    .e_shoff = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), .e_phentsize = sizeof(Elf64_Phdr),
				    .e_phnum = 1, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 2 };
	const Elf64_Phdr segment = { .p_type = PT_LOAD, .p_flags = PF_X, .p_filesz = LARGE_FUNCTIONS * 16 };
	const uint64_t begin = header.e_shoff + 2 * sizeof(Elf64_Shdr);
	const Elf64_Shdr sections[] = {
		{ .sh_type = SHT_SYMTAB, .sh_entsize = sizeof(Elf64_Sym), .sh_link = 1, .sh_offset = begin,
		  .sh_size = LARGE_FUNCTIONS * sizeof(Elf64_Sym) },
		{ .sh_type = SHT_STRTAB, .sh_offset = begin + LARGE_FUNCTIONS * sizeof(Elf64_Sym),
		  .sh_size = LARGE_FUNCTIONS * 40 },
	};
	char path[PATH_MAX + 32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fwrite(&header, sizeof(header), 1, file);
	fwrite(&segment, sizeof(segment), 1, file);
	fwrite(sections, sizeof(sections), 1, file);
	for (unsigned int i = 0; i < LARGE_FUNCTIONS; i++) {
		const Elf64_Sym symbol = { .st_name = i * 40, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1,
					   .st_value = i * 16, .st_size = 16 };

		fwrite(&symbol, sizeof(symbol), 1, file);
	}
	for (unsigned int i = 0; i < LARGE_FUNCTIONS; i++)
		fprintf(file, "function_%06u_of_a_large_file_xxxxxxx%c", i, 0);
	assert_int_equal(fclose(file), 0);
}

/* In as many ticks as it takes. */
static struct user_frame named(struct fixture *f, uint64_t address, uint64_t ts_ns)
{
	struct user_frame frame = { 0 };

	for (unsigned int i = 0; i < 100 && !frame.function[0]; i++) {
		usermaps_tick(f->maps);
		frame = one(f, address, ts_ns);
	}
	return frame;
}

/* Who was not used for longest gives up its symbols, and is not read again at once. */
static void symbols_of_large_files_are_bounded(void **state)
{
	const uint64_t first = 0x7f0000000000, span = 0x100000;
	struct fixture *f = *state;
	char maps[1024], path[PATH_MAX + 128], target[PATH_MAX + 32];
	uint64_t t = START_NS + SEC(1);
	size_t len = 0;

	write_large_file(f, "large");
	snprintf(target, sizeof(target), "%s/large", f->dir);
	snprintf(path, sizeof(path), "%s/42/map_files", f->dir);
	assert_int_equal(dir_make(path, 0755), 0);
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t start = first + i * span, end = start + LARGE_FUNCTIONS * 16;

		len += (size_t)snprintf(maps + len, sizeof(maps) - len,
					"%" PRIx64 "-%" PRIx64 " r-xp 00000000 08:01 %u   /lib/large%u.so\n", start, end, 200 + i, i);
		snprintf(path, sizeof(path), "%s/42/map_files/%" PRIx64 "-%" PRIx64, f->dir, start, end);
		assert_int_equal(symlink(target, path), 0);
	}
	write_process(f, maps, 1234560);
	for (unsigned int i = 0; i < 4; i++)
		assert_string_equal(named(f, first + i * span + 32, t).function, "function_000002_of_a_large_file_xxxxxxx");
	usermaps_tick(f->maps);
	assert_string_equal(one(f, first + 32, t).name, "large0.so");
	assert_string_equal(one(f, first + 32, t).function, "");
	assert_string_equal(one(f, first + 3 * span + 32, t).function, "function_000002_of_a_large_file_xxxxxxx");
	assert_string_equal(named(f, first + 32, t + SEC(11)).function, "function_000002_of_a_large_file_xxxxxxx");
}

/* Its server may not answer: such a file is not opened.  One in memory is. */
static void a_served_file_is_not_opened(void **state)
{
	uint64_t address = (uint64_t)(uintptr_t)somebody_sampled_this + 1;
	struct fixture *f = *state;

	write_own_region(f, "00:31", address);
	write_text(f->dir, "42/mountinfo",
		   "30 24 0:49 / /data rw,nosuid shared:8 - fuse.sshfs there:/ rw\n"
		   "31 24 0:50 / / rw - overlay overlay rw\n");
	assert_string_equal(one(f, address, START_NS + SEC(1)).function, "");
}

static void a_file_of_an_overlay_is_opened(void **state)
{
	uint64_t address = (uint64_t)(uintptr_t)somebody_sampled_this + 1;
	struct fixture *f = *state;

	write_own_region(f, "00:32", address);
	write_text(f->dir, "42/mountinfo", "31 24 0:50 / / rw - overlay overlay rw\n");
	assert_string_equal(one(f, address, START_NS + SEC(1)).function, "somebody_sampled_this");
}

/* Who has the number now is not who was sampled. */
static void a_number_used_again_is_not_believed(void **state)
{
	struct fixture *f = *state;

	write_process(f, maps_text, 1234561);
	assert_string_equal(one(f, 0x55d0c0001234, START_NS + SEC(1)).name, "[unknown]");
}

static void maps_are_kept_and_read_again(void **state)
{
	static const char more[] = "55d0c0001000-55d0c0009000 r-xp 00001000 08:01 100   /usr/bin/other\n"
				   "7e0000000000-7e0000001000 r-xp 00000000 08:01 102   /usr/lib/late.so\n";
	struct fixture *f = *state;
	uint64_t t = START_NS + SEC(1);

	assert_string_equal(one(f, 0x55d0c0001234, t).name, "work");
	write_process(f, more, 1234560);
	assert_string_equal(one(f, 0x55d0c0001234, t + SEC(2)).name, "work"); /* nothing asked for another look */
	assert_string_equal(one(f, 0x7e0000000000, t + SEC(0.5)).name, "[unknown]"); /* too soon */
	assert_string_equal(one(f, 0x7e0000000000, t + SEC(3)).name, "late.so");
	assert_string_equal(one(f, 0x55d0c0001234, t + SEC(3)).name, "other");
	write_process(f, maps_text, 1234560);
	assert_string_equal(one(f, 0x55d0c0001234, t + SEC(14)).name, "work"); /* after an exec, say */
}

static void reading_is_bounded_by_time(void **state)
{
	static const char other[] = "55d0c0001000-55d0c0009000 r-xp 00001000 08:01 100   /usr/bin/other\n";
	struct fixture *f = *state;
	uint64_t t = START_NS;

	for (int i = 0; i < 1000; i++)
		assert_string_equal(one(f, 0x55d0c0001234, t += SEC(11)).name, "work");
	/* By now the time is used up: what it is now is not looked at until the next tick. */
	write_process(f, other, 1234560);
	assert_string_equal(one(f, 0x55d0c0001234, t += SEC(11)).name, "work");
	usermaps_tick(f->maps);
	assert_string_equal(one(f, 0x55d0c0001234, t += SEC(11)).name, "other");
}

/* A process whose maps cannot be read now must not hold up anything: a pipe that nobody writes stands for it. */
static void a_hanging_read_holds_up_nothing(void **state)
{
	const struct kw_party stuck = { .pid = 7, .tid = 7, .start_ns = START_NS };
	uint64_t address = 0x1000;
	struct fixture *f = *state;
	char path[PATH_MAX + 32];
	struct user_frame frame;

	snprintf(path, sizeof(path), "%s/7/task/7", f->dir);
	assert_int_equal(dir_make(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/7/task/7/stat", f->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	usermaps_want(f->maps, &stuck, START_NS + 1, &address, 1);
	usermaps_wait(f->maps, 20);
	usermaps_resolve(f->maps, 7, &address, 1, &frame);
	assert_string_equal(frame.name, "[unknown]");
	usermaps_free(f->maps); /* the thread is still in there, until the pipe is written: that we are here is the proof */
	f->maps = NULL;
	write_text(f->dir, "7/task/7/stat", "7 (x) R\n"); /* let it end */
	usleep(20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_files_and_offsets, setup, teardown),
		cmocka_unit_test_setup_teardown(names_functions, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_in_clear, setup, teardown),
		cmocka_unit_test_setup_teardown(symbols_of_large_files_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_served_file_is_not_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_an_overlay_is_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(a_number_used_again_is_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(maps_are_kept_and_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(reading_is_bounded_by_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hanging_read_holds_up_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("usermaps", tests, NULL, NULL);
}
