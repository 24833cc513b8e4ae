/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/kernel.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <string.h>

#include "base/fileutil.h"
#include "base/hash.h"
#include "base/hashmap.h"
#include "base/timeutil.h"
#include "collect/kallsyms.h"

#define ENUMS_MAX 32
#define DISKS_MAX 1024
#define RELOAD_NS (60 * NSEC_PER_SEC) /* how often to look whether a module was loaded since */
#define MODULES_TEXT_MAX (1 << 20)

struct enum_value {
	int64_t value;
	char *name;
};

struct enum_names {
	char name[64];
	struct enum_value *values; /* none: this kernel has no such enum */
	unsigned int count;
};

/* Read on first use, which may be through a const pointer: the caller sees names that never change. */
struct lazy {
	struct kallsyms *symbols; /* NULL: not read, or hidden */
	struct kallsyms *former;  /* read before those: names of it may still be in use until the next tick */
	uint64_t modules;         /* a hash of what was loaded when symbols were read; 0: they were not */
	uint64_t symbols_read_ns;
	struct enum_names enums[ENUMS_MAX];
	unsigned int enum_count;
	struct hashmap *disks; /* dev -> name */
};

struct kernel {
	struct lazy *lazy;
	uint64_t now_ns; /* of the last tick */
};

int kernel_new(struct kernel **ret_kernel)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->now_ns = (uint64_t)time_boot_ns();
	k->lazy = calloc(1, sizeof(*k->lazy));
	if (k->lazy)
		k->lazy->disks = hashmap_new(sizeof(uint32_t), DISKS_MAX);
	if (!k->lazy || !k->lazy->disks) {
		kernel_free(k);
		return -ENOMEM;
	}
	*ret_kernel = k;
	return 0;
}

static void forget_disks(struct lazy *l)
{
	const void *key;
	char *name;

	for (size_t i = 0; (name = hashmap_next(l->disks, &i, &key));) {
		hashmap_remove(l->disks, key);
		free(name);
	}
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	if (k->lazy) {
		kallsyms_free(k->lazy->symbols);
		kallsyms_free(k->lazy->former);
		for (unsigned int i = 0; i < k->lazy->enum_count; i++) {
			for (unsigned int j = 0; j < k->lazy->enums[i].count; j++)
				free(k->lazy->enums[i].values[j].name);
			free(k->lazy->enums[i].values);
		}
		if (k->lazy->disks)
			forget_disks(k->lazy);
		hashmap_free(k->lazy->disks);
	}
	free(k->lazy);
	free(k);
}

/* ---- symbols ----------------------------------------------------------------------------------------------------- */

static struct kallsyms *read_symbols(void)
{
	AUTO_FCLOSE FILE *f = fopen("/proc/kallsyms", "re");
	struct kallsyms *s = f ? kallsyms_new() : NULL;
	char line[1024];

	while (s && fgets(line, sizeof(line), f)) {
		int r;

		line[strcspn(line, "\n")] = '\0';
		r = kallsyms_add_line(s, line);
		if (r < 0 && r != -EBADMSG)
			break;
	}
	if (s && kallsyms_finish(s) < 0) {
		kallsyms_free(s);
		s = NULL;
	}
	return s;
}

/* Of the first word of each line: the others tell of use. */
static uint64_t hash_modules(void)
{
	AUTO_FREE char *text = NULL;
	uint64_t hash = 1;
	size_t len;

	if (file_read_alloc(AT_FDCWD, "/proc/modules", MODULES_TEXT_MAX, &text, &len) < 0)
		return hash; /* a kernel without modules */
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		hash = hash_bytes(line, strcspn(line, " \n"), hash);
	return hash ? hash : 1;
}

/*
 * Again only when something was not found, the last reading is old, and there are other modules: reading takes some 50
 * ms, and the addresses of other people's BPF programs are never found.  Whoever looks up the frames of a stack holds the
 * names of the first ones when a later one is not found.
 */
static bool load_symbols(const struct kernel *k)
{
	struct lazy *l = k->lazy;
	struct kallsyms *fresh;
	uint64_t modules;

	if (l->former || (l->modules && k->now_ns - l->symbols_read_ns < RELOAD_NS))
		return false;
	l->symbols_read_ns = k->now_ns;
	modules = hash_modules();
	if (modules == l->modules)
		return false;
	l->modules = modules;
	fresh = read_symbols();
	if (!fresh)
		return false;
	l->former = l->symbols;
	l->symbols = fresh;
	return true;
}

void kernel_tick(struct kernel *k, uint64_t now_ns)
{
	k->now_ns = now_ns;
	if (!k->lazy->former)
		return;
	kallsyms_free(k->lazy->former);
	k->lazy->former = NULL;
	malloc_trim(0);
}

static const char *find_symbol(const struct kernel *k, uint64_t address, uint64_t *ret_offset, const char **ret_module)
{
	struct lazy *l = k->lazy;
	const char *name = l->symbols ? kallsyms_find(l->symbols, address, ret_offset, ret_module) : NULL;

	if (!name && load_symbols(k))
		name = kallsyms_find(l->symbols, address, ret_offset, ret_module);
	return name;
}

const char *kernel_symbol(const struct kernel *k, uint64_t address, uint64_t *ret_offset)
{
	return find_symbol(k, address, ret_offset, NULL);
}

const char *kernel_module(const struct kernel *k, uint64_t address)
{
	const char *module = NULL;

	return find_symbol(k, address, NULL, &module) ? module : NULL;
}

uint64_t kernel_address(const struct kernel *k, const char *symbol)
{
	if (!k->lazy->symbols)
		load_symbols(k);
	return k->lazy->symbols ? kallsyms_address(k->lazy->symbols, symbol) : 0;
}

/* ---- enums ------------------------------------------------------------------------------------------------------- */

static void take_values(const struct btf *btf, const struct btf_type *type, struct enum_names *ret)
{
	const struct btf_enum *values = btf_enum(type);

	ret->values = calloc(btf_vlen(type), sizeof(*ret->values));
	if (!ret->values)
		return;
	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, values[i].name_off);

		ret->values[i].value = btf_kflag(type) ? (int64_t)values[i].val : (int64_t)(uint32_t)values[i].val;
		ret->values[i].name = strdup(name ? name : "");
		ret->count++;
	}
}

/* The kernel's BTF is some 6 MiB: parsed for the one enum, and let go. */
static struct enum_names *load_enum(struct lazy *l, const char *enum_name)
{
	struct enum_names *e;
	struct btf *btf;
	int id;

	if (l->enum_count == ENUMS_MAX)
		return NULL;
	e = &l->enums[l->enum_count++];
	snprintf(e->name, sizeof(e->name), "%s", enum_name);
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return e;
	id = btf__find_by_name_kind(btf, enum_name, BTF_KIND_ENUM);
	if (id > 0)
		take_values(btf, btf__type_by_id(btf, id), e);
	btf__free(btf);
	malloc_trim(0);
	return e;
}

const char *kernel_enum_name(const struct kernel *k, const char *enum_name, int64_t value)
{
	struct enum_names *e = NULL;

	for (unsigned int i = 0; i < k->lazy->enum_count && !e; i++)
		if (!strcmp(k->lazy->enums[i].name, enum_name))
			e = &k->lazy->enums[i];
	if (!e)
		e = load_enum(k->lazy, enum_name);
	for (unsigned int i = 0; e && i < e->count; i++)
		if (e->values[i].value == value)
			return e->values[i].name;
	return NULL;
}

/* ---- disks ------------------------------------------------------------------------------------------------------- */

static char *read_disk_name(uint32_t dev)
{
	char path[64], text[1024], *name;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", dev >> 20, dev & 0xfffff);
	if (file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return NULL;
	name = strstr(text, "DEVNAME=");
	if (!name)
		return NULL;
	name += strlen("DEVNAME=");
	name[strcspn(name, "\n")] = '\0';
	return strdup(name);
}

void kernel_disk_name(const struct kernel *k, uint32_t dev, char *ret, size_t size)
{
	struct lazy *l = k->lazy;
	char *name = hashmap_get(l->disks, &dev);

	if (!name) {
		name = read_disk_name(dev);
		if (name && hashmap_put(l->disks, &dev, name, NULL) == -ENOSPC) {
			forget_disks(l); /* hosts that make disks all day */
			hashmap_put(l->disks, &dev, name, NULL);
		}
	}
	if (name)
		snprintf(ret, size, "%s", name);
	else
		snprintf(ret, size, "%u:%u", dev >> 20, dev & 0xfffff);
}
