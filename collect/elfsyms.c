/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/elfsyms.h"

#include <ctype.h>
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/demangle.h"

#define SEGMENTS_MAX 16	       /* executable ones */
#define HEADERS_MAX 1024       /* of sections or segments that are looked at */
#define SYMBOLS_MAX 300000     /* that are looked at */
#define FUNCTIONS_MAX 16384    /* that are kept */
#define NAMES_MAX (512 * 1024) /* bytes of names that are kept */
#define STRINGS_MAX (8 << 20)
#define CHUNK 512
#define NOTES_MAX 4096 /* bytes of notes that are looked at */

struct function {
	uint64_t start; /* in the file */
	uint32_t size;
	uint32_t name; /* in names */
};

struct elfsyms {
	struct function *functions; /* ascending */
	unsigned int count;
	char *names;
	uint32_t names_len;
};

/* What is open while a file is read. */
struct reader {
	int fd;
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS_MAX];
	unsigned int segment_count;
	Elf64_Shdr symbols, strings;
	char *text; /* of strings */
	unsigned int cap;
	struct elfsyms *s;
};

static bool read_at(int fd, void *buf, size_t size, uint64_t at)
{
	return at <= INT64_MAX && pread(fd, buf, size, (off_t)at) == (ssize_t)size;
}

static bool is_ours(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == (BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB) &&
	       (h->e_type == ET_EXEC || h->e_type == ET_DYN) && h->e_phentsize == sizeof(Elf64_Phdr) &&
	       h->e_shentsize == sizeof(Elf64_Shdr) && h->e_phoff <= INT64_MAX / 2 && h->e_shoff <= INT64_MAX / 2;
}

/* Symbols have addresses, samples have offsets in the file: the segments say which is which. */
static bool read_segments(struct reader *r)
{
	for (unsigned int i = 0; i < r->header.e_phnum && i < HEADERS_MAX; i++) {
		Elf64_Phdr *p = &r->segments[r->segment_count];

		if (!read_at(r->fd, p, sizeof(*p), r->header.e_phoff + i * sizeof(*p)))
			return false;
		if (p->p_type == PT_LOAD && p->p_flags & PF_X && ++r->segment_count == SEGMENTS_MAX)
			break;
	}
	return r->segment_count > 0;
}

static bool read_section(struct reader *r, unsigned int i, Elf64_Shdr *ret)
{
	return i < r->header.e_shnum && read_at(r->fd, ret, sizeof(*ret), r->header.e_shoff + i * sizeof(*ret));
}

static bool find_symbols(struct reader *r)
{
	Elf64_Shdr section;

	for (unsigned int i = 0; i < HEADERS_MAX && read_section(r, i, &section); i++) {
		if (section.sh_entsize != sizeof(Elf64_Sym) ||
		    (section.sh_type != SHT_SYMTAB && section.sh_type != SHT_DYNSYM))
			continue;
		if (r->symbols.sh_type != SHT_SYMTAB)
			r->symbols = section;
	}
	return r->symbols.sh_type && read_section(r, r->symbols.sh_link, &r->strings) && r->strings.sh_type == SHT_STRTAB;
}

static int read_strings(struct reader *r)
{
	size_t size = r->strings.sh_size < STRINGS_MAX ? r->strings.sh_size : STRINGS_MAX;

	r->text = malloc(size + 1);
	if (!r->text)
		return -ENOMEM;
	r->strings.sh_size = size;
	r->text[size] = '\0';
	return read_at(r->fd, r->text, size, r->strings.sh_offset) ? 0 : -EIO;
}

static bool in_file(const struct reader *r, uint64_t address, uint64_t *ret_offset)
{
	for (unsigned int i = 0; i < r->segment_count; i++) {
		const Elf64_Phdr *p = &r->segments[i];

		if (address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz) {
			*ret_offset = address - p->p_vaddr + p->p_offset;
			return true;
		}
	}
	return false;
}

static bool make_room(struct reader *r)
{
	unsigned int cap = r->cap ? 2 * r->cap : 256;
	struct function *more;

	if (r->s->count < r->cap)
		return true;
	if (r->cap >= FUNCTIONS_MAX)
		return false;
	more = reallocarray(r->s->functions, cap, sizeof(*more));
	if (!more)
		return false;
	r->s->functions = more;
	r->cap = cap;
	return true;
}

/* False: there is no room for more. */
static bool keep(struct reader *r, const Elf64_Sym *symbol)
{
	const char *name = r->text + symbol->st_name;
	struct elfsyms *s = r->s;
	uint32_t len, max = demangle_is_mangled(name) ? DEMANGLE_NAME_MAX : ELFSYMS_NAME_MAX;
	uint64_t at;

	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
	    symbol->st_name >= r->strings.sh_size || !*name || !in_file(r, symbol->st_value, &at))
		return true;
	len = (uint32_t)strnlen(name, max - 1);
	if (s->names_len + len + 1 > NAMES_MAX || !make_room(r))
		return false;
	s->functions[s->count++] = (struct function){ at, (uint32_t)(symbol->st_size < UINT32_MAX ? symbol->st_size : 0),
						      s->names_len };
	for (uint32_t i = 0; i < len; i++)
		s->names[s->names_len + i] = isgraph((unsigned char)name[i]) && name[i] != ';' ? name[i] : '?';
	s->names[s->names_len + len] = '\0';
	s->names_len += len + 1;
	return true;
}

static void read_symbols(struct reader *r)
{
	uint64_t count = r->symbols.sh_size / sizeof(Elf64_Sym);
	Elf64_Sym chunk[CHUNK];

	count = count < SYMBOLS_MAX ? count : SYMBOLS_MAX;
	for (uint64_t i = 0; i < count; i += CHUNK) {
		uint64_t n = count - i < CHUNK ? count - i : CHUNK;

		if (!read_at(r->fd, chunk, n * sizeof(*chunk), r->symbols.sh_offset + i * sizeof(*chunk)))
			return;
		for (uint64_t k = 0; k < n; k++)
			if (!keep(r, &chunk[k]))
				return;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static int read_file(struct reader *r)
{
	int err;

	if (!read_at(r->fd, &r->header, sizeof(r->header), 0) || !is_ours(&r->header))
		return -ENOEXEC;
	if (!read_segments(r) || !find_symbols(r) || r->symbols.sh_offset > INT64_MAX / 2)
		return -ENODATA;
	err = read_strings(r);
	if (err < 0)
		return err;
	read_symbols(r);
	if (!r->s->count)
		return -ENODATA;
	qsort(r->s->functions, r->s->count, sizeof(*r->s->functions), by_start);
	return 0;
}

static int fill(struct elfsyms *s, int fd)
{
	struct reader r = { .fd = fd, .s = s };
	struct function *functions;
	char *names;
	int err;

	s->names = malloc(NAMES_MAX);
	err = s->names ? read_file(&r) : -ENOMEM;
	free(r.text);
	if (err < 0)
		return err;
	names = realloc(s->names, s->names_len);
	s->names = names ? names : s->names;
	functions = reallocarray(s->functions, s->count, sizeof(*functions));
	s->functions = functions ? functions : s->functions;
	return 0;
}

int elfsyms_read(int fd, struct elfsyms **ret)
{
	struct elfsyms *s = calloc(1, sizeof(*s));
	int err = s ? fill(s, fd) : -ENOMEM;

	if (err < 0)
		elfsyms_free(s);
	else
		*ret = s;
	return err;
}

void elfsyms_free(struct elfsyms *s)
{
	if (!s)
		return;
	free(s->functions);
	free(s->names);
	free(s);
}

size_t elfsyms_bytes(const struct elfsyms *s)
{
	return s ? sizeof(*s) + s->count * sizeof(*s->functions) + s->names_len : 0;
}

const char *elfsyms_find(const struct elfsyms *s, uint64_t file_offset, uint64_t *ret_into)
{
	unsigned int low = 0, high = s->count;
	const struct function *f;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (s->functions[middle].start <= file_offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	f = &s->functions[low - 1];
	*ret_into = file_offset - f->start;
	/* Assembly often gives no size: it then reaches to the next one. */
	return !f->size || *ret_into < f->size ? s->names + f->name : NULL;
}

/* ---- build id --------------------------------------------------------------------------------------------------- */

/* elf(5), "Notes": name and description are padded to four bytes. */
static bool find_build_id(const unsigned char *notes, size_t size, char ret[static ELFSYMS_BUILD_ID_MAX])
{
	Elf64_Nhdr note;

	for (size_t at = 0; at + sizeof(note) <= size;) {
		size_t name = at + sizeof(note), text;

		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz > NOTES_MAX || note.n_descsz > NOTES_MAX)
			return false;
		text = name + (note.n_namesz + 3) / 4 * 4;
		at = text + (note.n_descsz + 3) / 4 * 4;
		if (at > size || note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof("GNU") ||
		    memcmp(notes + name, "GNU", sizeof("GNU")) != 0)
			continue;
		if (!note.n_descsz || note.n_descsz > (ELFSYMS_BUILD_ID_MAX - 1) / 2)
			return false;
		for (size_t i = 0; i < note.n_descsz; i++)
			snprintf(ret + 2 * i, 3, "%02x", notes[text + i]);
		return true;
	}
	return false;
}

bool elfsyms_build_id(int fd, char ret[static ELFSYMS_BUILD_ID_MAX])
{
	unsigned char notes[NOTES_MAX];
	Elf64_Ehdr header;
	Elf64_Phdr p;

	if (!read_at(fd, &header, sizeof(header), 0) || !is_ours(&header))
		return false;
	for (unsigned int i = 0; i < header.e_phnum && i < HEADERS_MAX; i++) {
		size_t size;

		if (!read_at(fd, &p, sizeof(p), header.e_phoff + i * sizeof(p)))
			return false;
		size = p.p_filesz < NOTES_MAX ? p.p_filesz : NOTES_MAX;
		if (p.p_type == PT_NOTE && read_at(fd, notes, size, p.p_offset) && find_build_id(notes, size, ret))
			return true;
	}
	return false;
}
