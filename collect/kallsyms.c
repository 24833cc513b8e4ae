/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/kallsyms.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

#define MODULES_MAX 512 /* as bits of a symbol */
#define NAMES_MAX (1 << 23)
#define REACH (UINT64_C(1) << 31) /* code of one kernel, modules included, calls each other within that */
#define MODULE_LEN 56
/* Farther behind a symbol than this lies something that is not in the table (module gone, init text). */
#define SYMBOL_SPAN_MAX (1 << 20)

struct symbol {
	uint32_t offset; /* from base */
	uint32_t name : 23; /* in the arena */
	uint32_t module : 9;
};

struct kallsyms {
	uint64_t base;
	struct symbol *symbols;
	size_t count, cap;
	char *arena;
	size_t arena_len, arena_cap;
	char (*modules)[MODULE_LEN]; /* [0] is the kernel itself */
	unsigned int module_count;
};

struct kallsyms *kallsyms_new(void)
{
	struct kallsyms *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->modules = calloc(MODULES_MAX, sizeof(*s->modules));
	s->module_count = 1;
	if (!s->modules) {
		free(s);
		return NULL;
	}
	return s;
}

void kallsyms_free(struct kallsyms *s)
{
	if (!s)
		return;
	free(s->symbols);
	free(s->arena);
	free(s->modules);
	free(s);
}

/* Lines of one module stand together, so the last one is nearly always right. */
static uint32_t module_index(struct kallsyms *s, const char *name)
{
	for (unsigned int i = s->module_count; i-- > 1;)
		if (!strcmp(s->modules[i], name))
			return i;
	if (s->module_count == MODULES_MAX)
		return 0;
	snprintf(s->modules[s->module_count], MODULE_LEN, "%s", name);
	return s->module_count++;
}

static int grow(void **data, size_t *cap, size_t needed, size_t element)
{
	size_t wanted = *cap ? *cap : 1024;
	void *bigger;

	if (needed <= *cap)
		return 0;
	while (wanted < needed)
		wanted += wanted / 2;
	bigger = realloc(*data, wanted * element);
	if (!bigger)
		return -ENOMEM;
	*data = bigger;
	*cap = wanted;
	return 0;
}

static uint64_t address_of(const struct kallsyms *s, const struct symbol *symbol)
{
	return s->base + symbol->offset;
}

static int add(struct kallsyms *s, uint64_t address, const char *name, const char *module)
{
	size_t len = strlen(name) + 1;

	if (!s->count)
		s->base = address - REACH;
	if (address - s->base > UINT32_MAX)
		return 0; /* not this kernel's code */
	if (s->count == KALLSYMS_MAX || s->arena_len + len > NAMES_MAX)
		return -ENOSPC;
	if (grow((void **)&s->symbols, &s->cap, s->count + 1, sizeof(*s->symbols)) < 0 ||
	    grow((void **)&s->arena, &s->arena_cap, s->arena_len + len, 1) < 0)
		return -ENOMEM;
	memcpy(s->arena + s->arena_len, name, len);
	s->symbols[s->count++] = (struct symbol){
		.offset = address - s->base,
		.name = s->arena_len,
		.module = module ? module_index(s, module) : 0,
	};
	s->arena_len += len;
	return 0;
}

int kallsyms_add_line(struct kallsyms *s, char *line)
{
	char *end, *name, *module = NULL, *tab;
	uint64_t address;

	errno = 0;
	address = strtoull(line, &end, 16);
	if (end == line || errno || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
		return -EBADMSG;
	if (!strchr("tTwW", end[1]))
		return 0;
	name = end + 3;
	tab = strchr(name, '\t');
	if (tab) {
		*tab = '\0';
		if (tab[1] == '[') {
			module = tab + 2;
			module[strcspn(module, "]")] = '\0';
		}
	}
	/* Markers such as __pfx_ (padding before a function) would name the bytes in front of it. */
	if (!*name || !strncmp(name, "__pfx_", 6))
		return 0;
	return add(s, address, name, module);
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

int kallsyms_finish(struct kallsyms *s)
{
	void *smaller;

	if (!s->count)
		return -ENODATA;
	qsort(s->symbols, s->count, sizeof(*s->symbols), by_address);
	if (!address_of(s, &s->symbols[s->count - 1]))
		return -ENODATA;
	smaller = realloc(s->symbols, s->count * sizeof(*s->symbols));
	if (smaller) {
		s->symbols = smaller;
		s->cap = s->count;
	}
	smaller = realloc(s->arena, s->arena_len);
	if (smaller) {
		s->arena = smaller;
		s->arena_cap = s->arena_len;
	}
	return 0;
}

const char *kallsyms_find(const struct kallsyms *s, uint64_t address, uint64_t *ret_offset, const char **ret_module)
{
	size_t low = 0, high = s->count;
	uint64_t at = address - s->base;
	const struct symbol *found;

	if (at > UINT32_MAX)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->symbols[middle].offset <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	found = &s->symbols[low - 1];
	if (at - found->offset >= SYMBOL_SPAN_MAX)
		return NULL;
	/* Of several names for one place, the first: the order of the file, so always the same. */
	while (found > s->symbols && found[-1].offset == found->offset)
		found--;
	if (ret_offset)
		*ret_offset = at - found->offset;
	if (ret_module)
		*ret_module = found->module ? s->modules[found->module] : NULL;
	return s->arena + found->name;
}

uint64_t kallsyms_address(const struct kallsyms *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->arena + s->symbols[i].name, name))
			return address_of(s, &s->symbols[i]);
	return 0;
}

size_t kallsyms_count(const struct kallsyms *s)
{
	return s->count;
}

size_t kallsyms_bytes(const struct kallsyms *s)
{
	return s->cap * sizeof(*s->symbols) + s->arena_cap + MODULES_MAX * sizeof(*s->modules);
}
