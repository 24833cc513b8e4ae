/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/bpfobj.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "collect/btfjson.h"

#define BUFFERS_MAX 16
#define LINKS_MAX 128
#define PERF_PAGES 64
#define HEX_MAX 256 /* bytes shown of a record of unknown type */
#define LOG_MAX 4096

struct buffer {
	struct bpfobj *object;
	const struct bpf_map *map;
	unsigned int type; /* in the object's BTF; 0: by size */
	struct ring_buffer *ring;
	struct perf_buffer *perf;
};

struct bpfobj {
	struct bpf_object *object;
	const struct btf *btf; /* the object's; NULL: it has none */
	struct buffer buffers[BUFFERS_MAX];
	unsigned int buffer_count;
	struct bpf_link *links[LINKS_MAX];
	const struct bpf_program *iterators[LINKS_MAX]; /* of the link at the same place, else NULL */
	unsigned int link_count;
	bool iterated;
	unsigned long long lost;
	/* Of bpfobj_poll(). */
	bpfobj_line_fn fn;
	void *ctx;
	int lines;
};

/* ---- what libbpf says ------------------------------------------------------------------------------------- */

/* libbpf's print callback has no context of its own; this is that of the call at hand, or NULL. */
static __thread struct strbuf *said;

static int keep_said(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[1024];
	int n = level == LIBBPF_WARN && said ? vsnprintf(line, sizeof(line), format, args) : 0;

	if (n > 0 && said->len < LOG_MAX)
		strbuf_addstr(said, line);
	return n;
}

/* The last line with more in it than the verifier's count. */
static void last_said(const struct strbuf *log, struct strbuf *out)
{
	AUTO_FREE char *copy = strdup(strbuf_str(log));
	char *save = NULL, *best = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		if (!strstr(line, "END PROG LOAD LOG") && strncmp(line, "processed ", 10))
			best = line;
	if (best)
		strbuf_add_plain(out, best);
}

/* ---- opening and describing ------------------------------------------------------------------------------- */

int bpfobj_open(const char *path, struct bpfobj **ret_object, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf log = STRBUF_INIT;
	struct bpfobj *o = calloc(1, sizeof(*o));
	int error;

	if (!o)
		return -ENOMEM;
	libbpf_set_print(keep_said);
	said = &log;
	o->object = bpf_object__open_file(path, NULL);
	error = o->object ? 0 : -errno;
	said = NULL;
	if (error) {
		strbuf_add_plain(ret_error, path);
		strbuf_addf(ret_error, ": no BPF object that libbpf can open: %s", strerror(-error));
		free(o);
		return error;
	}
	o->btf = bpf_object__btf(o->object);
	*ret_object = o;
	return 0;
}

void bpfobj_free(struct bpfobj *o)
{
	if (!o)
		return;
	for (unsigned int i = 0; i < o->link_count; i++)
		bpf_link__destroy(o->links[i]);
	for (unsigned int i = 0; i < o->buffer_count; i++) {
		ring_buffer__free(o->buffers[i].ring);
		perf_buffer__free(o->buffers[i].perf);
	}
	bpf_object__close(o->object);
	free(o);
}

static void describe_map(const struct bpfobj *o, const struct bpf_map *map, struct jsonw *w)
{
	const char *type = libbpf_bpf_map_type_str(bpf_map__type(map));
	char key[96] = "", value[96] = "";

	if (o->btf) {
		btfjson_name(o->btf, bpf_map__btf_key_type_id(map), key, sizeof(key));
		btfjson_name(o->btf, bpf_map__btf_value_type_id(map), value, sizeof(value));
	}
	jsonw_object(w, NULL);
	jsonw_str(w, "name", bpf_map__name(map));
	jsonw_str(w, "type", type ? type : "unknown");
	jsonw_int(w, "key_size", bpf_map__key_size(map));
	jsonw_int(w, "value_size", bpf_map__value_size(map));
	jsonw_int(w, "max_entries", bpf_map__max_entries(map));
	jsonw_str(w, "key", *key ? key : NULL);
	jsonw_str(w, "value", *value ? value : NULL);
	jsonw_end_object(w);
}

static void describe_program(const struct bpf_program *p, struct jsonw *w)
{
	const char *type = libbpf_bpf_prog_type_str(bpf_program__type(p));
	const char *section = bpf_program__section_name(p), *slash = strchr(section, '/');
	enum bpf_attach_type attach = bpf_program__expected_attach_type(p);
	bool kinds = bpf_program__type(p) == BPF_PROG_TYPE_TRACING || attach;

	jsonw_object(w, NULL);
	jsonw_str(w, "name", bpf_program__name(p));
	jsonw_str(w, "type", type ? type : "unknown");
	jsonw_str(w, "section", section);
	jsonw_str(w, "attach_type", kinds ? libbpf_bpf_attach_type_str(attach) : NULL);
	jsonw_str(w, "target", slash ? slash + 1 : NULL);
	jsonw_int(w, "instructions", (int64_t)bpf_program__insn_cnt(p));
	jsonw_end_object(w);
}

void bpfobj_describe(const struct bpfobj *o, struct jsonw *w)
{
	struct bpf_program *program;
	struct bpf_map *map;

	jsonw_object(w, NULL);
	jsonw_str(w, "name", bpf_object__name(o->object));
	jsonw_bool(w, "btf", o->btf);
	jsonw_array(w, "maps");
	bpf_object__for_each_map(map, o->object)
		describe_map(o, map, w);
	jsonw_end_array(w);
	jsonw_array(w, "programs");
	bpf_object__for_each_program(program, o->object)
		describe_program(program, w);
	jsonw_end_array(w);
	jsonw_end_object(w);
}

/* ---- which type a buffer carries -------------------------------------------------------------------------- */

static bool is_struct(const struct btf *btf, unsigned int type)
{
	const struct btf_type *t = type ? btf__type_by_id(btf, type) : NULL;

	return t && btf_is_struct(t);
}

/* "const struct X *unused __attribute__((unused));" keeps X in the BTF for those who read it. */
static unsigned int type_of_unused(const struct btf *btf)
{
	for (unsigned int id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id), *pointer;
		unsigned int target;

		if (!btf_is_var(t) || strncmp(btf__name_by_offset(btf, t->name_off), "unused", 6))
			continue;
		pointer = btf__type_by_id(btf, btfjson_plain(btf, t->type));
		target = pointer && btf_is_ptr(pointer) ? btfjson_plain(btf, pointer->type) : 0;
		if (is_struct(btf, target))
			return target;
	}
	return 0;
}

/* The one structure of that size; one whose name says "event" rather than another. */
static unsigned int type_by_size(const struct btf *btf, size_t size)
{
	unsigned int found = 0, count = 0, event = 0, events = 0;

	for (unsigned int id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name = btf__name_by_offset(btf, t->name_off);

		if (!btf_is_struct(t) || t->size != size || !*name)
			continue;
		found = id;
		count++;
		if (strstr(name, "event")) {
			event = id;
			events++;
		}
	}
	return count == 1 ? found : events == 1 ? event : 0;
}

static int choose_type(const struct bpfobj *o, const char *asked, struct buffer *b, struct strbuf *ret_error)
{
	int id;

	if (asked) {
		id = o->btf ? btf__find_by_name_kind(o->btf, asked, BTF_KIND_STRUCT) : -ENOENT;
		if (id < 0) {
			strbuf_addstr(ret_error, "the object has no structure \"");
			strbuf_add_plain(ret_error, asked);
			strbuf_addch(ret_error, '"');
			return -EINVAL;
		}
		b->type = (unsigned int)id;
		return 0;
	}
	if (!o->btf)
		return 0;
	b->type = btfjson_plain(o->btf, bpf_map__btf_value_type_id(b->map));
	if (!is_struct(o->btf, b->type))
		b->type = type_of_unused(o->btf);
	return 0;
}

/* ---- records ---------------------------------------------------------------------------------------------- */

static void write_hex(const unsigned char *data, size_t size, struct jsonw *w)
{
	char text[2 * HEX_MAX + 1] = "";

	for (size_t i = 0; i < MIN(size, (size_t)HEX_MAX); i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	jsonw_str(w, "hex", text);
}

static void write_record(const struct buffer *b, const void *data, size_t size, struct strbuf *out)
{
	const struct btf *btf = b->object->btf;
	unsigned int type = b->type || !btf ? b->type : type_by_size(btf, size);
	char name[96];
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_ns(&w, "ts_ns", time_wall_ns());
	jsonw_str(&w, "map", bpf_map__name(b->map));
	jsonw_int(&w, "size", (int64_t)size);
	if (type) {
		btfjson_name(btf, type, name, sizeof(name));
		jsonw_str(&w, "type", name);
		btfjson_write(btf, type, data, size, &w, "data");
	} else {
		write_hex(data, size, &w);
	}
	jsonw_end_object(&w);
}

static void hand_on(struct bpfobj *o, const struct strbuf *line)
{
	if (strbuf_error(line))
		return;
	o->fn(o->ctx, strbuf_str(line));
	o->lines++;
}

static int take_ring(void *ctx, void *data, size_t size)
{
	AUTO(strbuf) struct strbuf line = STRBUF_INIT;
	struct buffer *b = ctx;

	write_record(b, data, size, &line);
	hand_on(b->object, &line);
	return 0;
}

/* A raw sample is padded so that it and its 32-bit size fill whole words (perf_event_open(2)): the type knows better. */
static void take_perf(void *ctx, int cpu, void *data, __u32 size)
{
	struct buffer *b = ctx;
	const struct btf_type *t = b->type ? btf__type_by_id(b->object->btf, b->type) : NULL;

	(void)cpu;
	take_ring(ctx, data, t && t->size < size && size - t->size < 8 ? t->size : size);
}

static void lose_perf(void *ctx, int cpu, __u64 count)
{
	struct buffer *b = ctx;

	(void)cpu;
	b->object->lost += count;
}

static bool is_buffer(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF || bpf_map__type(map) == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}

static int open_buffers(struct bpfobj *o)
{
	for (unsigned int i = 0; i < o->buffer_count; i++) {
		struct buffer *b = &o->buffers[i];
		int fd = bpf_map__fd(b->map);

		errno = 0;
		if (bpf_map__type(b->map) == BPF_MAP_TYPE_RINGBUF)
			b->ring = ring_buffer__new(fd, take_ring, b, NULL);
		else
			b->perf = perf_buffer__new(fd, PERF_PAGES, take_perf, lose_perf, b, NULL);
		if (!b->ring && !b->perf)
			return errno ? -errno : -EIO;
	}
	return 0;
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static int find_buffers(struct bpfobj *o, const char *type, struct strbuf *ret_error)
{
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, o->object) {
		struct buffer *b = &o->buffers[o->buffer_count];

		if (!is_buffer(map) || o->buffer_count == BUFFERS_MAX)
			continue;
		*b = (struct buffer){ .object = o, .map = map };
		r = choose_type(o, type, b, ret_error);
		/* The definition may name a value; the kernel wants none of a ring buffer. */
		if (!r && bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			r = bpf_map__set_value_size(map, 0);
		if (r)
			return r;
		o->buffer_count++;
	}
	return 0;
}

static void attach_all(struct bpfobj *o, struct strbuf *ret_warnings)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, o->object) {
		struct bpf_link *link;

		if (!bpf_program__autoload(program) || o->link_count == LINKS_MAX)
			continue;
		link = bpf_program__attach(program);
		if (!link) {
			strbuf_addf(ret_warnings, "%s (%s) is not attached: %s\n", bpf_program__name(program),
				    bpf_program__section_name(program),
				    errno == EOPNOTSUPP || errno == EINVAL ? "its section does not say to what"
									   : strerror(errno));
			continue;
		}
		if (bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
			o->iterators[o->link_count] = program;
		o->links[o->link_count++] = link;
	}
}

static int start(struct bpfobj *o, const char *type, struct strbuf *ret_warnings, struct strbuf *ret_error)
{
	int r = find_buffers(o, type, ret_error);

	if (!r)
		r = bpf_object__load(o->object);
	if (!r)
		r = open_buffers(o);
	if (r)
		return r;
	attach_all(o, ret_warnings);
	return o->link_count ? 0 : -ENODEV;
}

int bpfobj_start(struct bpfobj *o, const char *type, struct strbuf *ret_warnings, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf log = STRBUF_INIT;
	int r;

	said = &log;
	r = start(o, type, ret_warnings, ret_error);
	said = NULL;
	if (r && !ret_error->len) {
		strbuf_addf(ret_error, "%s: ",
			    r == -ENODEV ? "no program could be attached" : "the kernel does not take it");
		if (log.len)
			last_said(&log, ret_error);
		else
			strbuf_addstr(ret_error, strerror(-r));
	}
	return r;
}

static void hand_on_text(struct bpfobj *o, const char *program, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		AUTO(strbuf) struct strbuf out = STRBUF_INIT;
		struct jsonw w;

		jsonw_init(&w, &out);
		jsonw_object(&w, NULL);
		jsonw_ns(&w, "ts_ns", time_wall_ns());
		jsonw_str(&w, "program", program);
		jsonw_str(&w, "text", line);
		jsonw_end_object(&w);
		hand_on(o, &out);
	}
}

/* What an iterator prints, line by line. */
static void iterate(struct bpfobj *o, unsigned int i)
{
	AUTO_CLOSE int fd = bpf_iter_create(bpf_link__fd(o->links[i]));
	AUTO(strbuf) struct strbuf text = STRBUF_INIT;
	char chunk[4096];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		char *end;

		if (n < 0 && errno != EAGAIN)
			break;
		strbuf_add(&text, chunk, n > 0 ? (size_t)n : 0);
		end = text.len ? memrchr(text.data, '\n', text.len) : NULL;
		if (!end)
			continue;
		*end = 0;
		hand_on_text(o, bpf_program__name(o->iterators[i]), text.data);
		text.len -= (size_t)(end + 1 - text.data);
		memmove(text.data, end + 1, text.len);
		text.data[text.len] = 0;
	}
	if (text.len)
		hand_on_text(o, bpf_program__name(o->iterators[i]), text.data);
}

static void iterate_all(struct bpfobj *o)
{
	for (unsigned int i = 0; !o->iterated && i < o->link_count; i++)
		if (o->iterators[i])
			iterate(o, i);
	o->iterated = true;
}

static int buffer_fd(const struct buffer *b)
{
	return b->ring ? ring_buffer__epoll_fd(b->ring) : perf_buffer__epoll_fd(b->perf);
}

int bpfobj_poll(struct bpfobj *o, int timeout_ms, bpfobj_line_fn fn, void *ctx)
{
	struct pollfd fds[BUFFERS_MAX];
	int r = 0;

	o->fn = fn;
	o->ctx = ctx;
	o->lines = 0;
	iterate_all(o);
	if (!o->buffer_count)
		return o->lines ? o->lines : -ENODATA;
	for (unsigned int i = 0; i < o->buffer_count; i++)
		fds[i] = (struct pollfd){ .fd = buffer_fd(&o->buffers[i]), .events = POLLIN };
	if (!o->lines && poll(fds, o->buffer_count, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	for (unsigned int i = 0; r >= 0 && i < o->buffer_count; i++) {
		struct buffer *b = &o->buffers[i];

		/* ring_buffer__consume() takes what is there, woken or not. */
		r = b->ring ? ring_buffer__consume(b->ring) : perf_buffer__poll(b->perf, 0);
	}
	return r < 0 && r != -EINTR ? r : o->lines;
}

unsigned long long bpfobj_lost(const struct bpfobj *o)
{
	return o->lost;
}
