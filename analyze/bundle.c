/* SPDX-License-Identifier: Apache-2.0 */
#include "analyze/bundle.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyze/archive.h"
#include "analyze/diagnosis.h"
#include "analyze/sql.h"
#include "base/cleanup.h"
#include "base/embed.h"
#include "base/fileutil.h"
#include "base/hash.h"
#include "base/timeutil.h"
#include "schema/bundle.h"

#define BEFORE_NS (5 * 60 * NSEC_PER_SEC)
#define AFTER_NS (30 * NSEC_PER_SEC)
#define MANIFEST_MAX (1u << 20)
#define EVENTS_DIR "events"
#define REPORTS_FILE "reports/reports.db"
#define CONFIG_FILE "config.txt"
#define RULES_EMBEDDED "analyze/rules/"
#define RULE_FILE_MAX (1u << 20)

/* A path that is too long becomes one that cannot be opened. */
static void join(char ret[PATH_MAX], const char *dir, const char *name)
{
	if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		*ret = 0;
}

static int said(struct strbuf *ret_error, int r, const char *what, const char *path)
{
	if (!ret_error->len)
		strbuf_addf(ret_error, "%s %s: %s", what, path, strerror(-r));
	return r;
}

/* ---- names in a bundle ------------------------------------------------------------------------------------ */

/* "events/" and the name of a shard: twenty digits and ".db". */
static bool is_shard(const char *name)
{
	const char *p = name + strlen(EVENTS_DIR) + 1;

	if (strncmp(name, EVENTS_DIR "/", strlen(EVENTS_DIR) + 1) || strlen(p) != 23 || strcmp(p + 20, ".db"))
		return false;
	for (int i = 0; i < 20; i++)
		if (!isdigit((unsigned char)p[i]))
			return false;
	return true;
}

/* "rules/" and a plain file name of letters, digits, dots, dashes and underscores. */
static bool is_rule(const char *name)
{
	const char *p = name + 6;

	if (strncmp(name, "rules/", 6) || !isalnum((unsigned char)*p) || strlen(p) > 100)
		return false;
	while (isalnum((unsigned char)*p) || *p == '.' || *p == '-' || *p == '_')
		p++;
	return !*p;
}

static bool is_text(const char *name)
{
	return !strcmp(name, BUNDLE_DIAGNOSIS) || !strcmp(name, CONFIG_FILE) || is_rule(name);
}

static const char *const levels[] = { [REDACT_NONE] = "none", [REDACT_NAMES] = "names", [REDACT_ALL] = "all" };

int bundle_redaction(const char *text, enum redaction *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (!text || !strcmp(text, levels[i])) {
			*ret = (enum redaction)i;
			return 0;
		}
	return -EINVAL;
}

void bundle_window(const json_t *report, int64_t now_ns, int64_t *ret_from_ns, int64_t *ret_to_ns)
{
	const json_t *window = json_object_get(report, "window");
	int64_t end = json_field_ns(window, "end_ns", 0);

	*ret_from_ns = json_field_ns(window, "onset_ns", 0) - BEFORE_NS;
	*ret_to_ns = end ? end + AFTER_NS : now_ns;
}

/* ---- export ----------------------------------------------------------------------------------------------- */

struct export
{
	const struct bundle_request *request;
	struct dbcopy copy;
	char dir[PATH_MAX]; /* where the parts are put together */
	int64_t events, incidents;
};

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shard_entry(const struct dirent *e)
{
	char name[300];

	snprintf(name, sizeof(name), EVENTS_DIR "/%s", e->d_name);
	return is_shard(name);
}

/* The shards that may hold rows of the window: a shard is named by its first row's time. */
static int export_shards(struct export *x, struct strbuf *ret_error)
{
	char from[PATH_MAX], to[PATH_MAX], name[300];
	struct dbcopy copy = x->copy;
	struct dirent **entries;
	int64_t n = 0;
	int count;

	join(from, x->request->state_dir, EVENTS_DIR);
	count = scandir(from, &entries, is_shard_entry, by_name);
	if (count < 0)
		return said(ret_error, -errno, "cannot read", from);
	for (int i = 0; i < count; i++) {
		bool before = i + 1 < count && strtoll(entries[i + 1]->d_name, NULL, 10) <= x->copy.from_ns;
		bool after = strtoll(entries[i]->d_name, NULL, 10) > x->copy.to_ns;

		if (n >= 0 && !before && !after) {
			snprintf(name, sizeof(name), EVENTS_DIR "/%s", entries[i]->d_name);
			join(from, x->request->state_dir, name);
			join(to, x->dir, name);
			copy.from_path = from;
			copy.to_path = to;
			n = dbcopy_shard(&copy, ret_error);
			x->events += n > 0 ? n : 0;
			if (n == 0)
				unlink(to);
		}
		free(entries[i]);
	}
	free(entries);
	if (n >= 0 && !x->events) {
		strbuf_addstr(ret_error, "nothing is stored of that time");
		return -ENODATA;
	}
	return n < 0 ? (int)n : 0;
}

static int write_text(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];

	join(path, dir, name);
	return file_write_atomic(path, text, strlen(text), 0644);
}

/* What the analyzer makes of the very rows of the bundle; its reports stay when the original ones must not. */
static int export_diagnosis(struct export *x, struct strbuf *ret_error)
{
	AUTO(strbuf) struct strbuf lines = STRBUF_INIT;
	char from[PATH_MAX], to[PATH_MAX];
	struct dbcopy copy = x->copy;
	int64_t n;
	int r = diagnose_store(x->dir, x->request->config, true, &lines, ret_error);

	if (!r)
		r = write_text(x->dir, BUNDLE_DIAGNOSIS, strbuf_str(&lines));
	join(from, x->dir, REPORTS_FILE);
	join(to, x->dir, "copy.db");
	copy.from_path = from;
	copy.to_path = to;
	if (!r && x->request->redaction == REDACT_NONE)
		join(from, x->request->state_dir, REPORTS_FILE);
	if (r || access(from, R_OK))
		return r; /* a collector that no server ever stood beside has no reports */
	n = dbcopy_reports(&copy, ret_error);
	if (n < 0)
		return (int)n;
	x->incidents = n;
	join(from, x->dir, REPORTS_FILE "-wal");
	unlink(from);
	join(from, x->dir, REPORTS_FILE "-shm");
	unlink(from);
	join(from, x->dir, REPORTS_FILE);
	return rename(to, from) ? -errno : 0;
}

/* The rules in force: the built-in ones, and the site's, which replace those of the same cause, as rules/site.NAME. */
static int export_rules(const struct export *x)
{
	const char *site = config_string(x->request->config, "analyze.rules");
	const struct embedded_file *file;
	struct dirent **entries;
	char path[PATH_MAX], name[300];
	int count, r = 0;

	for (size_t i = 0; !r && (file = embedded_at(i)); i++)
		if (!strncmp(file->path, RULES_EMBEDDED, strlen(RULES_EMBEDDED))) {
			snprintf(name, sizeof(name), "rules/%s", file->path + strlen(RULES_EMBEDDED));
			r = write_text(x->dir, name, (const char *)file->data);
		}
	count = *site ? scandir(site, &entries, NULL, by_name) : -1;
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *text = NULL;
		size_t len;

		snprintf(name, sizeof(name), "rules/site.%s", entries[i]->d_name);
		join(path, site, entries[i]->d_name);
		if (!r && is_rule(name) && !file_read_alloc(AT_FDCWD, path, RULE_FILE_MAX, &text, &len))
			r = write_text(x->dir, name, text);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return r;
}

static int export_settings(const struct export *x)
{
	AUTO(strbuf) struct strbuf settings = STRBUF_INIT;
	int r;

	if (x->request->redaction != REDACT_NONE)
		return 0;
	config_dump(x->request->config, &settings);
	r = write_text(x->dir, CONFIG_FILE, strbuf_str(&settings));
	return r ? r : export_rules(x);
}

/* One part into the archive and into the manifest's list. */
static int pack(struct archive *archive, json_t *files, const char *dir, const char *name)
{
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX], hex[65];
	size_t len;
	int r;

	join(path, dir, name);
	r = file_read_alloc(AT_FDCWD, path, ARCHIVE_FILE_MAX, &data, &len);
	if (r)
		return r;
	sha256_hex(data, len, hex);
	if (json_array_append_new(files, json_pack("{s:s, s:I, s:s}", "name", name, "bytes", (json_int_t)len, "sha256",
						   hex)))
		return -ENOMEM;
	return archive_add(archive, name, data, len);
}

static int pack_dir(struct archive *archive, json_t *files, const char *dir, const char *sub)
{
	char path[PATH_MAX];
	struct dirent **entries;
	int count, r = 0;

	join(path, dir, sub);
	count = scandir(path, &entries, NULL, by_name);
	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		char name[300];

		snprintf(name, sizeof(name), "%.30s/%s", sub, entries[i]->d_name);
		if (!r && (is_shard(name) || is_rule(name) || !strcmp(name, REPORTS_FILE)))
			r = pack(archive, files, dir, name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static json_t *make_manifest(const struct export *x)
{
	const struct bundle_request *q = x->request;

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:I, s:I, s:[]}", "schema", KW_BUNDLE_SCHEMA, "version",
			 q->version, "created_ns", json_sprintf("%lld", (long long)q->created_ns), "from_ns",
			 json_sprintf("%lld", (long long)q->from_ns), "to_ns", json_sprintf("%lld", (long long)q->to_ns),
			 "redaction", levels[q->redaction], "events", (json_int_t)x->events, "incidents",
			 (json_int_t)x->incidents, "files");
}

static int pack_all(const struct export *x, json_t *manifest, struct strbuf *ret_error)
{
	static const char *const dirs[] = { EVENTS_DIR, "reports", "rules" };
	json_t *files = json_object_get(manifest, "files");
	struct archive *archive;
	char config[PATH_MAX];
	char *text;
	int r = archive_create(x->request->path, &archive, ret_error);

	if (r)
		return r;
	r = pack(archive, files, x->dir, BUNDLE_DIAGNOSIS);
	join(config, x->dir, CONFIG_FILE);
	if (!r && !access(config, R_OK))
		r = pack(archive, files, x->dir, CONFIG_FILE);
	for (size_t i = 0; !r && i < ARRAY_SIZE(dirs); i++)
		r = pack_dir(archive, files, x->dir, dirs[i]);
	text = r ? NULL : json_dumps(manifest, JSON_INDENT(1));
	if (!r)
		r = text ? archive_add(archive, BUNDLE_MANIFEST, text, strlen(text)) : -ENOMEM;
	free(text);
	if (!r)
		r = archive_finish(archive, ret_error);
	archive_free(archive);
	if (r == -EFBIG)
		strbuf_addstr(ret_error, "more than a bundle may hold; choose a shorter window");
	return r;
}

static int make_dirs(const char *dir)
{
	static const char *const names[] = { EVENTS_DIR, "reports", "rules" };
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(names); i++) {
		char path[PATH_MAX];

		join(path, dir, names[i]);
		r = dir_make(path, 0755);
	}
	return r;
}

int bundle_export(const struct bundle_request *request, json_t **ret_manifest, struct strbuf *ret_error)
{
	struct export x = {
		.request = request,
		.copy = { .from_ns = request->from_ns, .to_ns = request->to_ns, .redaction = request->redaction },
	};
	json_t *manifest = NULL;
	int r;

	if (!access(request->path, F_OK)) {
		strbuf_addf(ret_error, "%s exists", request->path);
		return -EEXIST;
	}
	if (getrandom(&x.copy.salt, sizeof(x.copy.salt), 0) != (ssize_t)sizeof(x.copy.salt))
		return -EIO;
	r = dir_make_temporary(x.dir, sizeof(x.dir), "kwhy-bundle");
	if (r)
		return said(ret_error, r, "cannot make", "a temporary directory");
	r = make_dirs(x.dir);
	if (!r)
		r = export_shards(&x, ret_error);
	if (!r)
		r = export_diagnosis(&x, ret_error);
	if (!r)
		r = export_settings(&x);
	if (!r) {
		manifest = make_manifest(&x);
		r = manifest ? pack_all(&x, manifest, ret_error) : -ENOMEM;
	}
	dir_remove(x.dir);
	if (r) {
		json_decref(manifest);
		return said(ret_error, r, "cannot make", request->path);
	}
	*ret_manifest = manifest;
	return 0;
}

/* ---- import ----------------------------------------------------------------------------------------------- */

bool bundle_is(const char *path)
{
	char head[17];

	return file_read(AT_FDCWD, path, head, sizeof(head)) == -E2BIG && !memcmp(head, "SQLite format 3", 16);
}

struct unpack {
	const char *path, *dir;
	bool with_reports;
	json_t *manifest;
	size_t found; /* files that the manifest names */
	struct strbuf *error;
};

static int find_manifest(void *ctx, const char *name, const void *data, size_t len)
{
	struct unpack *u = ctx;
	json_t *files;

	if (strcmp(name, BUNDLE_MANIFEST))
		return 0;
	if (u->manifest || len > MANIFEST_MAX)
		return -EBADMSG;
	u->manifest = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	files = json_object_get(u->manifest, "files");
	if (!json_is_array(files) || json_array_size(files) > ARCHIVE_FILES_MAX)
		return -EBADMSG;
	return 0;
}

static const json_t *entry_of(const struct unpack *u, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(u->manifest, "files"), i, entry) {
		const char *other = json_string_value(json_object_get(entry, "name"));

		if (other && !strcmp(other, name))
			return entry;
	}
	return NULL;
}

/* Raw bytes beside the place, then their rows into it. */
static int unpack_database(const struct unpack *u, const char *name, const void *data, size_t len)
{
	char raw[PATH_MAX], to[PATH_MAX];
	const struct dbcopy copy = { .from_path = raw, .to_path = to, .from_ns = 0, .to_ns = INT64_MAX };
	int64_t n;
	int r;

	join(raw, u->dir, "foreign.db");
	join(to, u->dir, name);
	r = file_write_atomic(raw, data, len, 0644);
	if (r)
		return r;
	n = is_shard(name) ? dbcopy_shard(&copy, u->error) : dbcopy_reports(&copy, u->error);
	unlink(raw);
	return n < 0 ? (int)n : 0;
}

static int unpack_file(void *ctx, const char *name, const void *data, size_t len)
{
	struct unpack *u = ctx;
	const json_t *entry = entry_of(u, name);
	const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
	char path[PATH_MAX], hex[65];

	if (!strcmp(name, BUNDLE_MANIFEST)) {
		join(path, u->dir, name);
		return file_write_atomic(path, data, len, 0644);
	}
	sha256_hex(data, len, hex);
	if (!entry || !sha256 || strcmp(sha256, hex)) {
		strbuf_addf(u->error, "%s is damaged: ", u->path);
		strbuf_add_plain(u->error, name);
		strbuf_addstr(u->error, entry ? " is not what its manifest says" : " is not in its manifest");
		return -EBADMSG;
	}
	u->found++;
	if (is_shard(name) || (!strcmp(name, REPORTS_FILE) && u->with_reports))
		return unpack_database(u, name, data, len);
	if (is_text(name)) {
		join(path, u->dir, name);
		return file_write_atomic(path, data, len, 0644);
	}
	return strcmp(name, REPORTS_FILE) ? -EBADMSG : 0;
}

int bundle_unpack(const char *path, const char *dir, bool with_reports, json_t **ret_manifest,
		  struct strbuf *ret_error)
{
	struct unpack u = { .path = path, .dir = dir, .with_reports = with_reports, .error = ret_error };
	int r;

	if (access(path, R_OK))
		return said(ret_error, -errno, "cannot read", path);
	r = bundle_is(path) ? archive_read(path, find_manifest, &u, ret_error) : -EPROTO;
	if (!r && !u.manifest)
		r = -EBADMSG;
	if (!r)
		r = make_dirs(dir);
	if (!r)
		r = archive_read(path, unpack_file, &u, ret_error);
	if (!r && u.found != json_array_size(json_object_get(u.manifest, "files"))) {
		strbuf_addf(ret_error, "%s is damaged: files that its manifest names are missing", path);
		r = -EBADMSG;
	}
	if (r) {
		json_decref(u.manifest);
		if (!ret_error->len)
			strbuf_addf(ret_error, "%s %s", path, r == -EPROTO ? "is not a bundle of kwhy" : "is damaged");
		return r;
	}
	*ret_manifest = u.manifest;
	return 0;
}
