/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is told, and how: every delivery goes through the outbox in the order it was decided, is tried until the
 * receiver took it (at least once), and waits longer after each failure.
 *
 * Receivers, each on when its setting is given:
 *   alertmanager  alerts.alertmanager    URL of an Alertmanager; POST /api/v2/alerts
 *   webhook       alerts.webhook         URL; the body Alertmanager's webhook receiver sends, version 4.  With
 *                                        alerts.webhook_secret_file also X-Kwhy-Signature: sha256=HMAC (hex) of the body
 *   file          alerts.file            one JSON object a line is appended
 *   journal       alerts.journal         to systemd's journal, by its native protocol
 *   exec          alerts.exec            a program, run without a shell, the body on its standard input
 */
#ifndef KWHY_ANALYZE_DELIVER_H
#define KWHY_ANALYZE_DELIVER_H

#include <jansson.h>
#include <stdint.h>

#include "analyze/alertstore.h"
#include "base/config.h"

/* Puts one group's alerts into the outbox of every receiver.  alerts: as in Alertmanager's webhook body. */
int deliver_enqueue(const struct config *config, struct alertstore *store, const char *url, const char *group,
		    const json_t *alerts, int64_t now_ns);
/* For Alertmanager alone, and only when nothing waits for it. */
int deliver_again(const struct config *config, struct alertstore *store, const json_t *alerts, int64_t now_ns);

struct deliverer;

/* A thread of its own, as a receiver may take its time.  *ret_error as usual. */
int deliverer_start(const char *state_dir, const struct config *config, struct deliverer **ret_deliverer,
		    struct strbuf *ret_error);
/* Ends within a second or so; what is not delivered stays in the outbox.  NULL is fine. */
void deliverer_stop(struct deliverer *d);

#endif
