/* SPDX-License-Identifier: Apache-2.0 */
#include "web/tokens.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileutil.h"
#include "base/hash.h"

#define FILE_MAX (TOKENS_MAX * (TOKEN_MAX + 128))

struct token {
	char hash[65];
	char name[64];
};

struct token_file {
	char *path; /* NULL: none */
	struct token tokens[TOKENS_MAX];
	unsigned int count;
	struct stat seen;
	int error; /* of the last look, 0 or negative errno */
	bool read;
};

struct tokens {
	pthread_rwlock_t lock;
	struct token_file files[ROLES]; /* [ROLE_NONE] stays empty */
};

const char *role_name(enum role role)
{
	static const char *const names[ROLES] = { "none", "viewer", "operator", "admin" };

	return names[role];
}

struct tokens *tokens_new(const char *viewers, const char *operators, const char *admins)
{
	const char *const paths[ROLES] = { "", viewers, operators, admins };
	struct tokens *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_rwlock_init(&t->lock, NULL);
	for (int i = 0; i < ROLES; i++) {
		if (!*paths[i])
			continue;
		t->files[i].path = strdup(paths[i]);
		if (!t->files[i].path) {
			tokens_free(t);
			return NULL;
		}
	}
	return t;
}

void tokens_free(struct tokens *t)
{
	if (!t)
		return;
	for (int i = 0; i < ROLES; i++)
		free(t->files[i].path);
	pthread_rwlock_destroy(&t->lock);
	free(t);
}

bool tokens_wanted(const struct tokens *t)
{
	for (int i = 0; t && i < ROLES; i++)
		if (t->files[i].path)
			return true;
	return false;
}

bool token_is_plausible(const char *text)
{
	size_t len = strlen(text);

	if (len < TOKEN_MIN || len > TOKEN_MAX)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-._~+/=", *text))
			return false;
	return true;
}

/* Names are shown to people. */
static bool name_is_plain(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-._@ ", *c))
			return false;
	return *name && strlen(name) < sizeof(((struct token *)NULL)->name);
}

static int read_line(struct token_file *f, enum role role, char *line, const char **ret_why)
{
	char *colon, *token = line + strspn(line, " \t"), *end = token + strlen(token);
	const char *name = role_name(role);
	struct token *t = &f->tokens[f->count];

	while (end > token && strchr(" \t\r", end[-1]))
		*--end = 0;
	if (!*token || *token == '#')
		return 0;
	colon = strchr(token, ':');
	if (colon) {
		*colon = 0;
		name = token;
		token = colon + 1;
	}
	*ret_why = !name_is_plain(name) ? "a name may have letters, digits and -._@"
		   : !token_is_plausible(token)
			   ? "a token has 16 to 256 of the characters A-Z a-z 0-9 -._~+/= (openssl rand -hex 24 makes one)"
		   : f->count == TOKENS_MAX ? "too many tokens"
					    : NULL;
	if (*ret_why)
		return -EINVAL;
	sha256_hex(token, strlen(token), t->hash);
	memcpy(t->name, name, strlen(name) + 1);
	f->count++;
	return 0;
}

static int read_text(struct token_file *f, enum role role, char *text, struct strbuf *ret_text)
{
	unsigned int number = 1;
	const char *why;

	for (char *line = text, *next; line; line = next, number++) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!read_line(f, role, line, &why))
			continue;
		strbuf_addf(ret_text, "%s:%u: %s\n", f->path, number, why);
		return -EINVAL;
	}
	return 0;
}

/* What keeps the file from being believed, NULL: nothing. */
static const char *distrust(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "it is no regular file";
	if (st->st_uid && st->st_uid != geteuid())
		return "it belongs to neither root nor the server";
	if (st->st_mode & (S_IRWXO | S_IWGRP))
		return "others may read or write it; chmod 640 it, with the server's group";
	return NULL;
}

static int read_file(struct token_file *f, enum role role, struct strbuf *ret_text)
{
	AUTO_CLOSE int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	AUTO_FREE char *text = malloc(FILE_MAX);
	const char *why;
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) || !text)
		return -errno;
	why = distrust(&st);
	if (why) {
		strbuf_addf(ret_text, "%s: %s\n", f->path, why);
		return -EPERM;
	}
	n = read(fd, text, FILE_MAX);
	if (n < 0)
		return -errno;
	if (n == FILE_MAX)
		return -EFBIG;
	text[n] = 0;
	r = read_text(f, role, text, ret_text);
	explicit_bzero(text, FILE_MAX);
	return r;
}

static void reload_file(struct token_file *f, enum role role, struct strbuf *ret_text)
{
	struct stat now = { 0 };
	int error = stat(f->path, &now) ? -errno : 0;
	size_t said = ret_text->len;

	if (f->read && (error ? error == f->error : file_unchanged(&now, &f->seen)))
		return;
	f->count = 0;
	if (!error)
		error = read_file(f, role, ret_text);
	if (error)
		f->count = 0;
	if (error && ret_text->len == said)
		strbuf_addf(ret_text, "%s: %s\n", f->path, strerror(-error));
	f->seen = now;
	f->error = error;
	f->read = true;
}

void tokens_reload(struct tokens *t, struct strbuf *ret_text)
{
	pthread_rwlock_wrlock(&t->lock);
	for (int i = 0; i < ROLES; i++)
		if (t->files[i].path)
			reload_file(&t->files[i], (enum role)i, ret_text);
	pthread_rwlock_unlock(&t->lock);
}

unsigned int tokens_count(struct tokens *t)
{
	unsigned int count = 0;

	pthread_rwlock_rdlock(&t->lock);
	for (int i = 0; i < ROLES; i++)
		count += t->files[i].count;
	pthread_rwlock_unlock(&t->lock);
	return count;
}

/* No early end: the time taken tells nothing of how much was right. */
static bool same_hash(const char *a, const char *b)
{
	unsigned char difference = 0;

	for (int i = 0; i < 64; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return !difference;
}

struct identity tokens_identify(struct tokens *t, const char *token)
{
	struct identity found = { .role = ROLE_NONE };
	char hash[65];

	sha256_hex(token, strlen(token), hash);
	pthread_rwlock_rdlock(&t->lock);
	for (int i = 0; i < ROLES; i++)
		for (unsigned int j = 0; j < t->files[i].count; j++)
			if (same_hash(hash, t->files[i].tokens[j].hash)) {
				found.role = (enum role)i;
				memcpy(found.name, t->files[i].tokens[j].name, sizeof(found.name));
			}
	pthread_rwlock_unlock(&t->lock);
	return found;
}
