/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate and key of a TLS server, which may be replaced while it runs: each handshake takes those of its moment,
 * connections that are there already go on.
 */
#ifndef KWHY_WEB_TLS_H
#define KWHY_WEB_TLS_H

#include <gnutls/abstract.h>

#include "base/strbuf.h"

struct tls;

/* Reads both files.  -EKEYREJECTED: not understood, no pair, or others may read the key; with a line in *ret_error. */
int tls_new(const char *cert_path, const char *key_path, struct tls **ret_tls, struct strbuf *ret_error);
void tls_free(struct tls *tls); /* wipes the key; NULL is fine */
/*
 * Looks whether the files changed: 1 a new pair counts from now on, 0 nothing new, else negative errno with a line in
 * *ret_error, once for each change; then the former pair stays.  What changed is read at the next look, so that a
 * certificate and its key need not be replaced at once.
 */
int tls_reload(struct tls *tls, struct strbuf *ret_error);
/* Whether this process could read new files: 0, or negative errno with a line in *ret_error. */
int tls_may_reload(const struct tls *tls, struct strbuf *ret_error);
/* For gnutls_certificate_retrieve_function3 with GNUTLS_CERT_RETR_DEINIT_ALL.  0 or an error of GnuTLS. */
int tls_offer(struct tls *tls, gnutls_pcert_st **ret_certs, unsigned int *ret_count, gnutls_privkey_t *ret_key);

#endif
