/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: lines of "key = value", '#' comments, keys dotted as in
 * "probe.runq.threshold".  Every key a stage understands stands in one
 * registered table (base/settings.def); an unknown key or a bad value is an
 * error that names file and line.
 */
#ifndef KWHY_BASE_CONFIG_H
#define KWHY_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

enum setting_type { SETTING_SPAN, SETTING_SIZE, SETTING_INT, SETTING_BOOL, SETTING_STRING, SETTING_RATIO };

struct config;

struct config *config_new(void); /* all defaults; NULL when out of memory */
void config_free(struct config *c);
/* 0 or negative errno; then *ret_error has one line that says what is wrong and where. */
int config_load(struct config *c, const char *path, struct strbuf *ret_error);
int config_set(struct config *c, const char *key, const char *value, struct strbuf *ret_error);

bool config_known(const char *key); /* whether it is in the table */

/* The key must be in the table and have that type; anything else asserts. */
int64_t config_ns(const struct config *c, const char *key);
int64_t config_bytes(const struct config *c, const char *key);
int64_t config_int(const struct config *c, const char *key);
bool config_bool(const struct config *c, const char *key);
double config_ratio(const struct config *c, const char *key);
const char *config_string(const struct config *c, const char *key); /* "" when empty; lives as long as c */

/* "key = value" lines of all keys in table order: what config_sha256 in reports is made of. */
void config_dump(const struct config *c, struct strbuf *out);

#endif
