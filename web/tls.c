/* SPDX-License-Identifier: Apache-2.0 */
#include "web/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileutil.h"

#define PEM_MAX (256 * 1024)
#define CHAIN_MAX 16

/* As PEM texts. */
struct pair {
	char *cert, *key;
};

struct tls {
	pthread_rwlock_t lock; /* of pair */
	struct pair pair;
	char *cert_path, *key_path;
	struct stat cert_seen, key_seen;
	bool changed; /* and not read yet */
};

static void pair_cleanup(struct pair *p)
{
	if (p->key)
		explicit_bzero(p->key, strlen(p->key));
	free(p->cert);
	free(p->key);
	*p = (struct pair){ 0 };
}

static gnutls_datum_t datum(char *text)
{
	return (gnutls_datum_t){ (unsigned char *)text, (unsigned int)strlen(text) };
}

static int offer(const struct pair *p, gnutls_pcert_st **ret_certs, unsigned int *ret_count, gnutls_privkey_t *ret_key)
{
	const gnutls_datum_t cert_pem = datum(p->cert), key_pem = datum(p->key);
	gnutls_pcert_st *certs = gnutls_calloc(CHAIN_MAX, sizeof(*certs)); /* what GnuTLS frees, it must have allocated */
	unsigned int count = CHAIN_MAX;
	gnutls_privkey_t key = NULL;
	int r = certs ? gnutls_privkey_init(&key) : GNUTLS_E_MEMORY_ERROR;

	if (r >= 0)
		r = gnutls_privkey_import_x509_raw(key, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (r >= 0)
		r = gnutls_pcert_list_import_x509_raw(certs, &count, &cert_pem, GNUTLS_X509_FMT_PEM, 0);
	if (r < 0) {
		gnutls_privkey_deinit(key);
		gnutls_free(certs);
		return r;
	}
	*ret_certs = certs;
	*ret_count = count;
	*ret_key = key;
	return 0;
}

static int check_offer(const struct pair *p)
{
	unsigned int count = 0;
	gnutls_pcert_st *certs;
	gnutls_privkey_t key;
	int r = offer(p, &certs, &count, &key);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < count; i++)
		gnutls_pcert_deinit(&certs[i]);
	gnutls_free(certs);
	gnutls_privkey_deinit(key);
	return 0;
}

/* Whether handshakes could use it: both are understood, and belong together. */
static int check_pair(const struct tls *t, const struct pair *p, struct strbuf *ret_error)
{
	const gnutls_datum_t cert = datum(p->cert), key = datum(p->key);
	gnutls_certificate_credentials_t both;
	int r = gnutls_certificate_allocate_credentials(&both);

	if (r >= 0) {
		r = gnutls_certificate_set_x509_key_mem(both, &cert, &key, GNUTLS_X509_FMT_PEM);
		gnutls_certificate_free_credentials(both);
	}
	if (r >= 0)
		r = check_offer(p);
	if (r >= 0)
		return 0;
	strbuf_addf(ret_error, "%s with %s: %s", t->cert_path, t->key_path, gnutls_strerror(r));
	return -EKEYREJECTED;
}

static int read_pair(const struct tls *t, struct pair *p, struct strbuf *ret_error)
{
	const char *path = t->cert_path;
	struct stat st;
	size_t len;
	int r = file_read_alloc(AT_FDCWD, path, PEM_MAX, &p->cert, &len);

	if (!r) {
		path = t->key_path;
		r = stat(path, &st) ? -errno : st.st_mode & S_IRWXO ? -EKEYREJECTED : 0;
	}
	if (!r)
		r = file_read_alloc(AT_FDCWD, path, PEM_MAX, &p->key, &len);
	if (!r)
		return check_pair(t, p, ret_error);
	strbuf_addf(ret_error, "%s: %s", path,
		    r == -EKEYREJECTED ? "others may read this key; chmod o= it" : strerror(-r));
	return r;
}

static int load(struct tls *t, struct strbuf *ret_error)
{
	struct pair fresh = { 0 }, former;
	int r = read_pair(t, &fresh, ret_error);

	if (r) {
		pair_cleanup(&fresh);
		return r;
	}
	pthread_rwlock_wrlock(&t->lock);
	former = t->pair;
	t->pair = fresh;
	pthread_rwlock_unlock(&t->lock);
	pair_cleanup(&former);
	return 0;
}

/* Whether the file is another one than when it was last looked at. */
static bool look(const char *path, struct stat *seen)
{
	struct stat now = { 0 };

	/* In a directory that is closed to the server; tls_may_reload() said so. */
	if (stat(path, &now) && errno == EACCES)
		return false;
	if (file_unchanged(&now, seen))
		return false;
	*seen = now;
	return true;
}

static bool look_at_both(struct tls *t)
{
	bool cert = look(t->cert_path, &t->cert_seen), key = look(t->key_path, &t->key_seen);

	return cert || key;
}

int tls_new(const char *cert_path, const char *key_path, struct tls **ret_tls, struct strbuf *ret_error)
{
	struct tls *t = calloc(1, sizeof(*t));
	int r = -ENOMEM;

	if (!t)
		return r;
	pthread_rwlock_init(&t->lock, NULL);
	t->cert_path = strdup(cert_path);
	t->key_path = strdup(key_path);
	if (t->cert_path && t->key_path) {
		look_at_both(t);
		r = load(t, ret_error);
	}
	if (r) {
		tls_free(t);
		return r;
	}
	*ret_tls = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	pair_cleanup(&t->pair);
	pthread_rwlock_destroy(&t->lock);
	free(t->cert_path);
	free(t->key_path);
	free(t);
}

int tls_reload(struct tls *t, struct strbuf *ret_error)
{
	bool changed = look_at_both(t), settled = t->changed && !changed;
	int r;

	t->changed = changed;
	if (!settled)
		return 0;
	r = load(t, ret_error);
	return r ? r : 1;
}

int tls_may_reload(const struct tls *t, struct strbuf *ret_error)
{
	const char *const paths[] = { t->cert_path, t->key_path };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int r = faccessat(AT_FDCWD, paths[i], R_OK, AT_EACCESS) ? -errno : 0;

		if (!r)
			continue;
		strbuf_addf(ret_error, "%s: %s", paths[i], strerror(-r));
		return r;
	}
	return 0;
}

int tls_offer(struct tls *t, gnutls_pcert_st **ret_certs, unsigned int *ret_count, gnutls_privkey_t *ret_key)
{
	int r;

	pthread_rwlock_rdlock(&t->lock);
	r = offer(&t->pair, ret_certs, ret_count, ret_key);
	pthread_rwlock_unlock(&t->lock);
	return r;
}
