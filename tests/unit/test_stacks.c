/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/timeutil.h"
#include "collect/kernel.h"
#include "collect/stacks.h"
#include "schema/kinds.h"

struct seen {
	unsigned int count;
	struct kw_event e;
	struct kw_stack p;
};

static int on_event(void *ctx, const struct kw_event *e)
{
	struct seen *s = ctx;

	s->count++;
	s->e = *e;
	assert_true(e->payload_size <= sizeof(s->p));
	memset(&s->p, 0xff, sizeof(s->p));
	memcpy(&s->p, e + 1, e->payload_size);
	return 0;
}

struct fixture {
	struct kernel *kernel;
	struct stacks *stacks;
	struct seen seen;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(kernel_new(&f->kernel), 0);
	f->stacks = stacks_new(f->kernel, on_event, &f->seen);
	assert_non_null(f->stacks);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stacks_free(f->stacks);
	kernel_free(f->kernel);
	free(f);
	return 0;
}

static void announces_each_once(void **state)
{
	struct fixture *f = *state;
	const uint64_t a[] = { 1, 2, 3 }, b[] = { 1, 2 };
	uint64_t hash = stacks_intern(f->stacks, a, 3, 500);

	assert_int_not_equal(hash, 0);
	assert_int_equal(f->seen.count, 1);
	assert_int_equal(f->seen.e.kind, KW_KIND_stack);
	assert_int_equal(f->seen.e.ts_ns, 500);
	assert_int_equal(f->seen.p.hash, hash);
	assert_int_equal(stacks_intern(f->stacks, a, 3, 600), hash);
	assert_int_equal(f->seen.count, 1);
	assert_int_not_equal(stacks_intern(f->stacks, b, 2, 700), hash);
	assert_int_equal(f->seen.count, 2);
}

static void no_frames_no_stack(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stacks_intern(f->stacks, (const uint64_t[]){ 1 }, 0, 1), 0);
	assert_int_equal(f->seen.count, 0);
}

/* Addresses differ on every boot and would tell where the kernel lies. */
static void hash_is_of_the_text(void **state)
{
	struct fixture *f = *state;
	const uint64_t a[] = { 1, 2 }, b[] = { 3, 4 };

	assert_int_equal(stacks_intern(f->stacks, a, 2, 1), stacks_intern(f->stacks, b, 2, 1));
	assert_string_equal(f->seen.p.text, "[unknown]\n[unknown]\n");
}

static void payload_is_as_long_as_its_text(void **state)
{
	struct fixture *f = *state;

	stacks_intern(f->stacks, (const uint64_t[]){ 9 }, 1, 1);
	assert_int_equal(f->seen.e.payload_size, offsetof(struct kw_stack, text) + strlen("[unknown]\n") + 1);
}

static void text_is_cut_at_whole_lines(void **state)
{
	struct fixture *f = *state;
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;

	stacks_text(f->kernel, (const uint64_t[]){ 1, 2, 3 }, 3, 25, &text);
	assert_string_equal(strbuf_str(&text), "[unknown]\n[unknown]\n");
}

/* A forgotten stack is announced again: whoever came later has it too. */
static void forgets_the_oldest(void **state)
{
	struct fixture *f = *state;
	const uint64_t first[] = { 42 };
	uint64_t hash = stacks_intern(f->stacks, first, 1, 1);

	for (uint64_t i = 1000; i < 100000; i++)
		stacks_intern(f->stacks, &i, 1, 1);
	f->seen.count = 0;
	assert_int_equal(stacks_intern(f->stacks, first, 1, 2), hash);
	assert_int_equal(f->seen.count, 1);
}

static void keeps_what_is_used(void **state)
{
	struct fixture *f = *state;
	const uint64_t hot[] = { 42, 43 };

	stacks_intern(f->stacks, hot, 2, 1);
	f->seen.count = 0;
	for (uint64_t i = 1000; i < 100000; i++) {
		unsigned int before;

		stacks_intern(f->stacks, &i, 1, 1);
		before = f->seen.count;
		stacks_intern(f->stacks, hot, 2, 1);
		assert_int_equal(f->seen.count, before);
	}
}

/* This very process: the thread that asks, as the kernel names it. */
static struct kw_party self(void)
{
	struct kw_party p = { .pid = (uint32_t)getpid(), .tid = (uint32_t)getpid() };
	unsigned long long ticks = 0;
	char text[1024] = "", *at;
	FILE *f = fopen("/proc/self/stat", "r");

	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	at = strrchr(text, ')');
	assert_int_equal(sscanf(at, ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
				&ticks), 1);
	p.start_ns = ticks * 10000000;
	return p;
}

/* Each round waits for a moment only: a busy host needs some. */
static void learn(struct fixture *f, const struct kw_party *task, const uint64_t *frames, unsigned int count)
{
	for (int i = 0; i < 200; i++) {
		stacks_want_user(f->stacks, task, frames, count, task->start_ns + 1);
		stacks_settle_user(f->stacks);
	}
}

/* With the functions where this process may open what it has mapped, that is as root. */
static void user_frames_are_named(void **state)
{
	const uint64_t frames[] = { (uintptr_t)self, (uintptr_t)on_event, 16, 17 };
	const struct kw_party task = self();
	struct fixture *f = *state;
	uint64_t hash, offset[2] = { 0 };
	int end = 0;

	learn(f, &task, frames, 4);
	hash = stacks_intern_user(f->stacks, task.pid, frames, 4, task.start_ns + 1);

	assert_int_not_equal(hash, 0);
	assert_int_equal(f->seen.count, 1);
	/* What follows the last known frame is where the walk went astray. */
	if (strcmp(f->seen.p.text, "self+0x0 [test_stacks]\non_event+0x0 [test_stacks]\n") != 0) {
		assert_int_equal(sscanf(f->seen.p.text, "test_stacks+0x%" SCNx64 "\ntest_stacks+0x%" SCNx64 "\n%n",
					&offset[0], &offset[1], &end), 2);
		assert_int_equal(f->seen.p.text[end], '\0');
		assert_int_equal(offset[0] - offset[1], frames[0] - frames[1]);
	}
	assert_int_equal(stacks_intern_user(f->stacks, task.pid, frames, 4, task.start_ns + 2), hash);
	assert_int_equal(f->seen.count, 1);
	assert_int_equal(stacks_intern_user(f->stacks, task.pid, frames, 0, task.start_ns + 2), 0);
}

/* A program without a single symbol, but with what linkers leave for those who look for them elsewhere. */
struct bare_program {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	Elf64_Nhdr other;
	char other_name[4], other_text[8];
	Elf64_Nhdr note;
	char name[4];
	unsigned char id[20];
};

static void write_bare_program(int fd)
{
	struct bare_program p = {
		.header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_DYN, .e_phoff = offsetof(struct bare_program, segments),
			    .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2, .e_shentsize = sizeof(Elf64_Shdr) },
		.segments = { { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 4096, .p_memsz = 4096 },
			      { .p_type = PT_NOTE, .p_offset = offsetof(struct bare_program, other),
				.p_filesz = sizeof(p) - offsetof(struct bare_program, other) } },
		.other = { 4, 5, 1 },
		.other_name = "XYZ",
		.note = { 4, sizeof(p.id), NT_GNU_BUILD_ID },
		.name = "GNU",
	};

	for (unsigned int i = 0; i < sizeof(p.id); i++)
		p.id[i] = (unsigned char)(0xa0 + i);
	assert_int_equal(pwrite(fd, &p, sizeof(p), 0), sizeof(p));
	assert_int_equal(ftruncate(fd, 4096), 0);
}

/* Once for a file: its symbols can be found by that. */
static void a_file_without_symbols_has_its_build_id(void **state)
{
	char path[] = "/tmp/kwhy-bare-XXXXXX", expected[200];
	const struct kw_party task = self();
	struct fixture *f = *state;
	uint64_t frames[2];
	int fd = mkstemp(path);
	char *code;

	assert_true(fd >= 0);
	write_bare_program(fd);
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	if (geteuid() != 0 || code == MAP_FAILED) { /* only root may open what is mapped, and not from everywhere */
		unlink(path);
		skip();
	}
	frames[0] = (uintptr_t)code + 0x300;
	frames[1] = (uintptr_t)code + 0x310;
	learn(f, &task, frames, 2);
	stacks_intern_user(f->stacks, task.pid, frames, 2, task.start_ns + 1);
	munmap(code, 4096);
	unlink(path);
	snprintf(expected, sizeof(expected), "%s+0x300 (a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3)\n%s+0x310\n",
		 path + strlen("/tmp/"), path + strlen("/tmp/"));
	assert_string_equal(f->seen.p.text, expected);
}

static void a_process_that_is_gone_is_unknown(void **state)
{
	const struct kw_party nobody = { .pid = 4194304, .tid = 4194304, .start_ns = 1 }; /* no pid is as large */
	struct fixture *f = *state;

	assert_int_not_equal(stacks_intern_user(f->stacks, nobody.pid, (const uint64_t[]){ 4096, 16 }, 2, 500), 0);
	assert_string_equal(f->seen.p.text, "[unknown]\n");
}

/* Many different stacks must not fill the store: beyond so many a tick only files are named. */
static void new_user_stacks_are_bounded(void **state)
{
	const uint64_t here = (uintptr_t)self;
	const struct kw_party task = self();
	struct fixture *f = *state;

	learn(f, &task, &here, 1);
	for (uint64_t i = 0; i < STACKS_USER_NEW; i++)
		stacks_intern_user(f->stacks, task.pid, (const uint64_t[]){ here + i, here }, 2, task.start_ns + 1);
	assert_non_null(strstr(f->seen.p.text, "+0x"));
	stacks_intern_user(f->stacks, task.pid, (const uint64_t[]){ here - 1, here }, 2, task.start_ns + 1);
	assert_string_equal(f->seen.p.text, "test_stacks\n");
	stacks_settle_user(f->stacks);
	stacks_intern_user(f->stacks, task.pid, (const uint64_t[]){ here - 1, here }, 2, task.start_ns + 1);
	assert_non_null(strstr(f->seen.p.text, "+0x"));
}

/* A /proc for this process only, with the real symbols and another list of modules, as if one had been loaded. */
struct other_proc {
	char dir[64], modules[96], kallsyms[96];
	bool mounted;
};

static bool other_proc_new(struct other_proc *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/kwhy-stacks-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->modules, sizeof(p->modules), "%s/modules", p->dir);
	snprintf(p->kallsyms, sizeof(p->kallsyms), "%s/kallsyms", p->dir);
	assert_int_equal(file_write_atomic(p->modules, "another 1 0 - Live 0x0\n", 23, 0600), 0);
	assert_int_equal(file_write_atomic(p->kallsyms, "", 0, 0600), 0);
	p->mounted = !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		     !mount("/proc/kallsyms", p->kallsyms, NULL, MS_BIND, NULL) &&
		     !mount(p->dir, "/proc", NULL, MS_BIND | MS_REC, NULL);
	return p->mounted;
}

static void other_proc_free(const struct other_proc *p)
{
	if (p->mounted) {
		umount2("/proc", MNT_DETACH);
		umount2(p->kallsyms, MNT_DETACH);
	}
	unlink(p->modules);
	unlink(p->kallsyms);
	rmdir(p->dir);
}

/* What is read anew because of a frame that nobody knows does not take away the names of the frames before it. */
static void names_outlive_a_new_reading(void **state)
{
	struct fixture *f = *state;
	uint64_t address = kernel_address(f->kernel, "schedule"), now_ns = (uint64_t)time_boot_ns(), offset;
	const char *name, *again;
	struct other_proc proc;

	if (!address)
		skip(); /* hidden from us */
	name = kernel_symbol(f->kernel, address, &offset);
	assert_string_equal(name, "schedule");
	if (!other_proc_new(&proc)) {
		other_proc_free(&proc);
		skip();
	}
	kernel_tick(f->kernel, now_ns + 100 * NSEC_PER_SEC);
	assert_null(kernel_symbol(f->kernel, 1, &offset));
	again = kernel_symbol(f->kernel, address, &offset);
	other_proc_free(&proc);
	assert_ptr_not_equal(again, name); /* it was read anew */
	assert_string_equal(name, "schedule");
	kernel_tick(f->kernel, now_ns + 101 * NSEC_PER_SEC);
	assert_string_equal(again, "schedule");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(announces_each_once, setup, teardown),
		cmocka_unit_test_setup_teardown(no_frames_no_stack, setup, teardown),
		cmocka_unit_test_setup_teardown(hash_is_of_the_text, setup, teardown),
		cmocka_unit_test_setup_teardown(payload_is_as_long_as_its_text, setup, teardown),
		cmocka_unit_test_setup_teardown(text_is_cut_at_whole_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_what_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(user_frames_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_without_symbols_has_its_build_id, setup, teardown),
		cmocka_unit_test_setup_teardown(a_process_that_is_gone_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(new_user_stacks_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(names_outlive_a_new_reading, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
