/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"

static const struct attach_choice hooks[] = {
	{ "generate", "signal_fatal", true, "who sent a fatal or stopping signal, what seccomp refused" },
	{ 0 },
};

static const uint16_t kinds[] = { KW_KIND_signal, KW_KIND_denied, 0 };

const struct probe probe_signal = {
	.name = "signal",
	.title = "Signals that end or stop their target, with sender, and system calls that seccomp refused",
	.cost = "signal_generate: every signal sent, 20 ns; about 2 us for one that kills",
	.causes = "proc.killed,proc.crash,proc.denied,proc.stopped",
	.object = "signal",
	.attach = hooks,
	.kinds = kinds,
};
