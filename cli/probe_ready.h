/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a server of this host whether it is ready, over its own socket. */
#ifndef KWHY_CLI_PROBE_READY_H
#define KWHY_CLI_PROBE_READY_H

#include <jansson.h>

#include "web/listen.h"

/* The answer of /readyz, whatever its status; NULL when nobody answers within a second. */
json_t *probe_ready(const struct web_listen *listen);

#endif
