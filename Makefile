# SPDX-License-Identifier: Apache-2.0
#
# One non-recursive Makefile.  Sources are found by wildcard; everything built goes below $(BUILD).
# V=1 shows commands.  NOBPF=1 builds without clang and without BPF objects (samplers only).  UI_LIBS= builds without npm
# and the libraries that the browser gets (charts are then plain drawings).

BUILD ?= build
VERSION := $(shell cat VERSION)
DESTDIR ?=
PREFIX ?= /usr/local
LISTEN ?= 127.0.0.1:7070
STATE ?=
ARGS ?=
FUZZ_SECONDS ?= 30

CC = gcc
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
PKG_CONFIG ?= pkg-config

# Files of npm packages (web/ui/package-lock.json) that the program carries for the browser, and where they are put.
UI_LIBS ?= uplot/dist/uPlot.esm.js uplot/dist/uPlot.min.css preact/dist/preact.mjs htm/dist/htm.mjs
UI_DIR ?= $(BUILD)/ui

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

RUN_PACKAGES := gcc libc6-dev clang llvm libbpf-dev libelf-dev zlib1g-dev libsqlite3-dev libmicrohttpd-dev \
	libgnutls28-dev libjansson-dev libyaml-dev libmd-dev libcap-dev libcurl4-openssl-dev \
	libiberty-dev
# What fetches the libraries for the browser; kwhy goes without, too.  Those from elsewhere will do.
NODE_PACKAGES := $(if $(and $(shell command -v node),$(shell command -v npm)),,nodejs npm)
TEST_PACKAGES := pkg-config procps libcmocka-dev libfuse3-dev bpftool nftables iproute2 jq curl sqlite3 \
	e2fsprogs xfsprogs btrfs-progs openssl cppcheck clang-tidy
# Without these the browser tests, the guests, the container runtimes and two shells are skipped.
OPTIONAL_PACKAGES := chromium qemu-system-x86 busybox-static cpio kmod debian-archive-keyring debootstrap \
	runc crun containerd docker.io podman zsh fish $(NODE_PACKAGES)

# Observers to compare with, and what the bench reads.
BENCH_PACKAGES := libbpf-tools bpftrace bpftool jq linux-perf

# ---- sources -------------------------------------------------------------------------------------------------------

FOLDERS := base schema collect aggregate analyze web cli
SRCS := $(sort $(foreach f,$(FOLDERS),$(wildcard $(f)/*.c)))
MAIN := $(wildcard cli/main.c)
BPF_SRCS := $(if $(NOBPF),,$(sort $(wildcard bpf/*.bpf.c)))
EMBEDDED := $(sort $(wildcard analyze/rules/*.yaml analyze/alertrules/*.yaml analyze/queries/*.sql schema/sql/*.sql \
	schema/*.json schema/VIEWS.md web/static/*))
UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_SUPPORT := $(sort $(filter-out $(UNIT_SRCS),$(wildcard tests/unit/*.c)))
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FAULT_SRCS := $(sort $(wildcard tests/faults/*.c))
BPFTEST_SRCS := $(sort $(filter-out %.bpf.c,$(wildcard tests/bpf/*.c)))
BPFTEST_BPF := $(if $(NOBPF),,$(wildcard tests/bpf/*.bpf.c))
BENCH_SRCS := $(sort $(wildcard tests/bench/*.c))
REPLAY_SRCS := $(sort $(wildcard tests/replay/*.c))
CONTAINERS_SRCS := $(sort $(wildcard tests/containers/*.c))

OBJS := $(SRCS:%.c=$(BUILD)/obj/%.o)
MAIN_OBJ := $(MAIN:%.c=$(BUILD)/obj/%.o)
LIBS := $(foreach f,$(FOLDERS),$(if $(wildcard $(f)/*.c),$(BUILD)/lib$(f).a))
# Objects that are compiled a second time for kernels before 6.1 (bpf/plain.bpf.h).
PLAIN := block limits oom reclaim scan sched signal
BPF_OBJS := $(BPF_SRCS:bpf/%.bpf.c=$(BUILD)/bpf/%.bpf.o) $(if $(NOBPF),,$(PLAIN:%=$(BUILD)/bpf/%.plain.bpf.o))
EMBED_OBJS := $(BUILD)/gen/embed.o $(BUILD)/gen/bpf_objects.o $(BUILD)/gen/syscalls.o
UNIT_BINS := $(UNIT_SRCS:%.c=$(BUILD)/%)
FUZZ_BINS := $(FUZZ_SRCS:%.c=$(BUILD)/%)
BPFTEST_BINS := $(BPFTEST_SRCS:%.c=$(BUILD)/%)

# ---- flags ---------------------------------------------------------------------------------------------------------

MACHINE := $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(MACHINE)))

SAN_none :=
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SAN_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SAN ?= none
ifeq ($(SAN),fuzz)
CC = $(CLANG)
endif

CFLAGS ?= -O2 -g
KWHY_CFLAGS = -std=gnu11 $(CFLAGS) -Wall -Wextra -Werror -D_GNU_SOURCE -I. -DKWHY_VERSION='"$(VERSION)"' $(SAN_$(SAN))
KWHY_LDLIBS = -lbpf -lelf -lz -lsqlite3 -lmicrohttpd -lgnutls -lcurl -ljansson -lyaml -lmd -lcap -liberty -lpthread -lm
BPF_CFLAGS = -target bpf -g -O2 -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Werror -I. \
	-idirafter /usr/include/$(MACHINE)-linux-gnu
# Recursive on purpose: asked for only when the faults are built, so that pkg-config may be missing before.
FUSE_CFLAGS = $(shell $(PKG_CONFIG) --cflags fuse3)
FUSE_LIBS = $(shell $(PKG_CONFIG) --libs fuse3)

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.PHONY: all run demo test accuracy check check-bpf check-faults check-web check-vm asan fuzz lint bench install clean \
	format FORCE \
	deps-run deps-test service-user tests-unit tests-fuzz tests-replay tests-bpf tests-faults \
	lint-cppcheck lint-tidy asan-build

ifneq ($(MAIN),)
all: $(BUILD)/kwhy
else
all: $(LIBS) $(BPF_OBJS)
	@echo "cli/main.c does not exist: built the archives, not $(BUILD)/kwhy"
endif

# ---- C -------------------------------------------------------------------------------------------------------------

# Files that hold a list or flags: rewritten only when the text changes, so that what depends on them is rebuilt
# after a source was added or removed, or an option changed.
define text_file
@mkdir -p $(dir $(1))
@printf '%s\n' $(2) >$(1).$$$$ && if cmp -s $(1).$$$$ $(1); then rm -f $(1).$$$$; else mv -f $(1).$$$$ $(1); fi
endef

$(BUILD)/gen/cflags: FORCE
	$(call text_file,$@,'$(CC)' '$(subst ','\'',$(KWHY_CFLAGS))')
$(BUILD)/gen/embed.list: FORCE
	$(call text_file,$@,$(EMBEDDED) $(UI_LIBS))
$(BUILD)/gen/bpf.list: FORCE
	$(call text_file,$@,$(BPF_OBJS))
$(BUILD)/gen/sources.list: FORCE
	$(call text_file,$@,$(SRCS))

# Names of system calls, as the C library numbers them for this machine (collect/syscalls.h).
$(BUILD)/gen/syscalls.c:
	@mkdir -p $(@D)
	$(Q){ echo '#include "collect/syscalls.h"'; echo 'const char *const syscall_names[] = {'; \
		echo '#include <asm/unistd.h>' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' | LC_ALL=C sort; echo '};'; \
		echo 'const unsigned int syscall_names_count = sizeof(syscall_names) / sizeof(syscall_names[0]);'; } >$@
$(BUILD)/gen/syscalls.o: $(BUILD)/gen/syscalls.c collect/syscalls.h
	$(Q)$(CC) $(KWHY_CFLAGS) -c -o $@ $<

$(BUILD)/obj/tests/faults/%.o: EXTRA_CFLAGS = $(FUSE_CFLAGS)

$(BUILD)/obj/%.o: %.c $(BUILD)/gen/cflags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(KWHY_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

define folder_archive
$(BUILD)/lib$(1).a: $(filter-out $(MAIN_OBJ),$(filter $(BUILD)/obj/$(1)/%,$(OBJS))) $(BUILD)/gen/sources.list
	@rm -f $$@
	$(Q)ar rcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_archive,$(f))))

$(BUILD)/kwhy: $(OBJS) $(EMBED_OBJS) $(BUILD)/gen/sources.list
	$(call say,LINK,$@)
	$(Q)$(CC) $(KWHY_CFLAGS) -o $@ $(filter %.o,$^) $(KWHY_LDLIBS)

$(BUILD)/kwhy-plain: $(OBJS) $(EMBED_OBJS:%/embed.o=%/embed_plain.o) $(BUILD)/gen/sources.list
	$(call say,LINK,$@)
	$(Q)$(CC) $(KWHY_CFLAGS) -o $@ $(filter %.o,$^) $(KWHY_LDLIBS)

# ---- BPF objects and other files inside the program ----------------------------------------------------------------

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@

# Verifiers before 5.12 know a loop by the jump at its end: one that falls through to its head is "a back-edge".
$(BUILD)/bpf/%.plain.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$< for older kernels)
	$(Q)$(CLANG) $(BPF_CFLAGS) -mllvm -disable-block-placement -DKW_PLAIN -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@

$(BUILD)/gen/bpf_objects.S: $(BUILD)/gen/bpf.list packaging/embed.sh
	$(Q)sh packaging/embed.sh objects $(BPF_OBJS) >$@
# The script writes the list anew only when what it has changed.
UI_LIST := $(if $(UI_LIBS),$(UI_DIR)/list)
ui_files = $(if $(UI_LIBS),$(notdir $(shell ls -d $(UI_DIR)/web/static/* 2>/dev/null)))
$(UI_DIR)/list: FORCE
	$(Q)sh packaging/ui-libs.sh $(UI_DIR) $(UI_LIBS)
$(BUILD)/gen/embed.S: $(BUILD)/gen/embed.list $(UI_LIST) packaging/embed.sh
	$(Q)sh packaging/embed.sh files \
		$(sort $(EMBEDDED) $(foreach f,$(ui_files),web/static/$(f)=$(UI_DIR)/web/static/$(f))) >$@
# The same without the libraries: how the pages are then is tested, too.
$(BUILD)/gen/embed_plain.S: $(BUILD)/gen/embed.list packaging/embed.sh
	$(Q)sh packaging/embed.sh files $(EMBEDDED) >$@
$(BUILD)/gen/bpf_objects.o: $(BUILD)/gen/bpf_objects.S $(BPF_OBJS)
	$(Q)$(CC) -c -o $@ $<
$(BUILD)/gen/embed.o $(BUILD)/gen/embed_plain.o: $(BUILD)/gen/%.o: $(BUILD)/gen/%.S $(EMBEDDED)
	$(Q)$(CC) -c -o $@ $<

# ---- tests ---------------------------------------------------------------------------------------------------------

TEST_LINK = $(Q)$(CC) $(KWHY_CFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

# A test is linked with the folders whose headers it includes and those below them, so that it can be built and
# run while another folder does not compile.
BELOW_base := base
BELOW_collect := base collect
BELOW_aggregate := base collect aggregate
BELOW_analyze := base analyze
BELOW_web := base analyze web
BELOW_cli := $(FOLDERS)
TEST_USES := $(if $(UNIT_SRCS)$(FUZZ_SRCS),\
	$(shell grep -o '^\#include "[a-z]*/' $(UNIT_SRCS) $(FUZZ_SRCS) /dev/null | sed 's|:.*"|:|; s|/$$||' | sort -u))
test_folders = $(sort base schema $(foreach f,$(FOLDERS),$(if $(filter $(1):$(f),$(TEST_USES)),$(BELOW_$(f)))))
test_libs = $(filter $(foreach f,$(test_folders),$(BUILD)/lib$(f).a),$(LIBS)) \
	$(BUILD)/gen/embed.o $(if $(filter collect,$(test_folders)),$(BUILD)/gen/bpf_objects.o $(BUILD)/gen/syscalls.o)

# What tests share, as an archive: only those that use a file of it need what that file needs.
$(BUILD)/libunit.a: $(UNIT_SUPPORT:%.c=$(BUILD)/obj/%.o)
	@rm -f $@
	$(Q)ar rcs $@ $^

define unit_test
$(BUILD)/$(1:.c=): $(BUILD)/obj/$(1:.c=.o) $(if $(UNIT_SUPPORT),$(BUILD)/libunit.a) $(test_libs)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(TEST_LINK) -lcmocka $$(KWHY_LDLIBS)
endef
$(foreach t,$(UNIT_SRCS),$(eval $(call unit_test,$(t))))

# Programs that try the running kernel, as root (tests/bpf/run.sh), and BPF objects made to be refused.
$(BUILD)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<
$(BUILD)/tests/bpf/%: $(BUILD)/obj/tests/bpf/%.o $(patsubst %,$(BUILD)/lib%.a,base schema collect) $(EMBED_OBJS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(TEST_LINK) $(KWHY_LDLIBS)

# Tools for recorded captures (tests/replay/record.sh).
$(BUILD)/tests/replay/%: $(BUILD)/obj/tests/replay/%.o $(patsubst %,$(BUILD)/lib%.a,base schema collect aggregate) \
	$(EMBED_OBJS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(TEST_LINK) $(KWHY_LDLIBS)

# Tools for tests against container runtimes (tests/containers/run.sh).
$(BUILD)/tests/containers/%: $(BUILD)/obj/tests/containers/%.o $(patsubst %,$(BUILD)/lib%.a,base schema aggregate) \
	$(EMBED_OBJS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(TEST_LINK) $(KWHY_LDLIBS)

# A harness is linked with libFuzzer by "make fuzz"; otherwise with a main() that runs the files of its corpus.
FUZZ_MAIN := $(if $(filter fuzz,$(SAN)),,$(BUILD)/obj/tests/fuzz/standalone.o)
define fuzz_harness
$(BUILD)/$(1:.c=): $(BUILD)/obj/$(1:.c=.o) $(FUZZ_MAIN) $(test_libs)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(TEST_LINK) $(if $(filter fuzz,$(SAN)),-fsanitize=fuzzer) $$(KWHY_LDLIBS)
endef
$(foreach t,$(FUZZ_SRCS),$(eval $(call fuzz_harness,$(t))))

$(BUILD)/tests/faults: $(FAULT_SRCS:%.c=$(BUILD)/obj/%.o) $(BUILD)/libbase.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(KWHY_CFLAGS) -o $@ $^ $(FUSE_LIBS) -lmd -lpthread -lm

$(BUILD)/tests/bench: $(BENCH_SRCS:%.c=$(BUILD)/obj/%.o) $(LIBS) $(EMBED_OBJS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(TEST_LINK) $(KWHY_LDLIBS)

tests-unit: $(UNIT_BINS)
tests-bpf: $(BPFTEST_BINS) $(BPFTEST_BPF:%.bpf.c=$(BUILD)/%.bpf.o)
tests-fuzz: $(FUZZ_BINS)
tests-replay: $(REPLAY_SRCS:%.c=$(BUILD)/%)
tests-containers: $(CONTAINERS_SRCS:%.c=$(BUILD)/%)
tests-faults: $(if $(FAULT_SRCS),$(BUILD)/tests/faults)

test: deps-test
	@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/run-all.sh
check:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/run-all.sh unit fuzz replay
check-bpf:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/run-all.sh bpf
# Every fault; make test draws some.
check-faults:
	@FAULTS_SAMPLE=0 MAKE='$(MAKE)' BUILD='$(BUILD)' tests/run-all.sh faults
# Stock Debian kernels under emulation, every fault that a guest can have.
check-vm:
	@FAULTS_IN_GUEST="cpu_throttled oom_memcg oom_global net_drop_policy fs_frozen freeze_cgroup proc_killed \
		kernel_softlockup kernel_workqueue kernel_oops kernel_warning mapped_slow mapped_error fs_suspended \
		netem_delay netem_loss alloc_fail hw_memory hw_disk" VM_SECONDS=1500 MAKE='$(MAKE)' BUILD='$(BUILD)' \
		VM_KERNELS='5.10 6.1 6.12 newest 6.12:pair 6.12:hotplug 6.1:v1' tests/run-all.sh vm
.PHONY: check-containers tests-containers
# Five hundred short-lived containers; make test runs some dozens.
check-containers:
	@SHORT=250 MAKE='$(MAKE)' BUILD='$(BUILD)' tests/run-all.sh containers
check-web:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/run-all.sh web

# The program and its tests with AddressSanitizer and UndefinedBehaviorSanitizer, beside the ordinary ones.
asan-build:
	$(Q)$(MAKE) BUILD=$(BUILD)/asan UI_DIR=$(UI_DIR) SAN=asan CFLAGS='-O1 -g' all tests-unit tests-fuzz tests-replay
asan:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/run-all.sh asan

fuzz:
	$(Q)$(MAKE) BUILD=$(BUILD)/fuzz UI_DIR=$(UI_DIR) SAN=fuzz CFLAGS='-O1 -g' tests-fuzz
	$(Q)for harness in $(FUZZ_SRCS:tests/fuzz/%.c=%); do \
		mkdir -p $(BUILD)/fuzz/corpus/$$harness; \
		echo "$$harness: $(FUZZ_SECONDS) s"; \
		$(BUILD)/fuzz/tests/fuzz/$$harness -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 \
			-verbosity=0 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/$$harness- \
			$(BUILD)/fuzz/corpus/$$harness tests/fuzz/corpus/$${harness#fuzz_} || exit 1; \
	done

# How often the diagnosis is right, over all faults for real: tests/accuracy/run.sh says with what ARGS.
accuracy: all tests-faults
	$(Q)BUILD='$(BUILD)' exec tests/accuracy/run.sh $(ARGS)

bench: all $(BUILD)/tests/bpf/nothing.bpf.o
	@sh packaging/deps.sh $(BENCH_PACKAGES) || echo "Going on without: what needs them is left out"
	$(Q)MAKE='$(MAKE)' BUILD='$(BUILD)' exec tests/bench/run.sh

# ---- lint ----------------------------------------------------------------------------------------------------------

# Iterator macros of libraries, whose headers cppcheck does not read.
CPPCHECK_MACROS := -D'json_array_foreach(a,i,v)=for(i=0;(v=json_array_get(a,i));i++)' \
	-D'json_object_foreach(o,k,v)=for(k=next_key(o);(v=json_object_get(o,k));k=next_key(o))' \
	-D'bpf_object__for_each_program(p,o)=for(p=NULL;(p=bpf_object__next_program(o,p));)' \
	-D'bpf_object__for_each_map(m,o)=for(m=NULL;(m=bpf_object__next_map(o,m));)'

LINT_SRCS := $(SRCS) $(UNIT_SRCS) $(UNIT_SUPPORT) $(BPFTEST_SRCS) $(FAULT_SRCS) $(BENCH_SRCS) $(REPLAY_SRCS) \
	$(CONTAINERS_SRCS) $(wildcard tests/fuzz/*.c)

lint:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/lint/run.sh
lint-cppcheck: $(LINT_SRCS:%=$(BUILD)/lint/%.cppcheck)
lint-tidy: $(LINT_SRCS:%=$(BUILD)/lint/%.tidy)

# Stamps depend on the headers a file includes, so that an unchanged file is not read again.
$(BUILD)/lint/%.cppcheck: % tests/lint/cppcheck.supp
	@mkdir -p $(@D)
	$(Q)$(CC) $(KWHY_CFLAGS) $(if $(filter tests/faults/%,$<),$(FUSE_CFLAGS)) -MM -MP -MT $@ -MF $@.d $<
	$(Q)cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
		--suppressions-list=tests/lint/cppcheck.supp -D__linux__ -D_GNU_SOURCE -DKWHY_VERSION='""' -I. \
		$(CPPCHECK_MACROS) \
		--template='{file}:{line}: {severity}: {message} [{id}]' $<
	@touch $@
$(BUILD)/lint/%.tidy: % .clang-tidy tests/lint/errno_model.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(KWHY_CFLAGS) $(if $(filter tests/faults/%,$<),$(FUSE_CFLAGS)) -MM -MP -MT $@ -MF $@.d $<
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- $(KWHY_CFLAGS) -Wno-unknown-warning-option \
		-include tests/lint/errno_model.h $(if $(filter tests/faults/%,$<),$(FUSE_CFLAGS)) >$@.log 2>&1 || \
		{ grep -v ' warnings\? generated' $@.log; exit 1; }
	@touch $@

format:
	$(Q)clang-format -i $(LINT_SRCS) $(wildcard bpf/*.c) $(foreach f,$(FOLDERS) bpf,$(wildcard $(f)/*.h))

# ---- run, install --------------------------------------------------------------------------------------------------

deps-run:
	@sh packaging/deps.sh $(RUN_PACKAGES)
	@$(if $(UI_LIBS),$(if $(NODE_PACKAGES),sh packaging/deps.sh $(NODE_PACKAGES) || echo "Going on without npm"))
deps-test:
	@sh packaging/deps.sh $(RUN_PACKAGES) $(TEST_PACKAGES)
	@sh packaging/deps.sh $(OPTIONAL_PACKAGES) || echo "Going on without: tests that need them are skipped"
service-user:
	@sh packaging/service-user.sh

run: deps-run service-user
	$(Q)$(MAKE) all
	$(Q)BUILD='$(BUILD)' STATE='$(STATE)' LISTEN='$(LISTEN)' exec sh packaging/run.sh $(ARGS)

demo: all tests-faults
	$(Q)BUILD='$(BUILD)' MAKE='$(MAKE)' exec tests/demo.sh

install: all
	install -D -m 755 $(BUILD)/kwhy $(DESTDIR)$(PREFIX)/bin/kwhy
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/kwhy/LICENSE
	mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BUILD)/kwhy help man >$(DESTDIR)$(PREFIX)/share/man/man1/kwhy.1
	$(BUILD)/kwhy help bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kwhy
	$(BUILD)/kwhy help zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kwhy
	$(BUILD)/kwhy help fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/kwhy.fish
	for unit in $(wildcard packaging/*.service); do \
		mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system && \
		sed 's|@PREFIX@|$(PREFIX)|g' $$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; \
	done

clean:
	$(Q)rm -rf $(BUILD)

DEPS := $(OBJS:.o=.d) $(BPF_OBJS:.o=.d) $(UNIT_SRCS:%.c=$(BUILD)/obj/%.d) $(UNIT_SUPPORT:%.c=$(BUILD)/obj/%.d) \
	$(FUZZ_SRCS:%.c=$(BUILD)/obj/%.d) $(BUILD)/obj/tests/fuzz/standalone.d $(FAULT_SRCS:%.c=$(BUILD)/obj/%.d) \
	$(BENCH_SRCS:%.c=$(BUILD)/obj/%.d) $(REPLAY_SRCS:%.c=$(BUILD)/obj/%.d) $(CONTAINERS_SRCS:%.c=$(BUILD)/obj/%.d) \
	$(BPFTEST_SRCS:%.c=$(BUILD)/obj/%.d) $(BPFTEST_BPF:%.bpf.c=$(BUILD)/%.bpf.d) \
	$(LINT_SRCS:%=$(BUILD)/lint/%.cppcheck.d) $(LINT_SRCS:%=$(BUILD)/lint/%.tidy.d)
-include $(wildcard $(DEPS))
