/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KWHY_COLLECT_DROP_CLASS_H
#define KWHY_COLLECT_DROP_CLASS_H

/*
 * What kind of drop it was: "policy", "rcvbuf", "qdisc", "backlog", "noport", "close" (a socket ended) or "other".  By
 * the name of the kernel's reason, without SKB_DROP_REASON_, where that says it; else by the function that dropped.
 * Either may be NULL.
 */
const char *drop_class(const char *reason, const char *place);

#endif
