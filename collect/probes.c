/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/probe.h"
#include "collect/sampler.h"

#define PROBE(name) extern const struct probe probe_##name;
#include "collect/probes.def"
#undef PROBE

const struct probe *const probes[] = {
#define PROBE(name) &probe_##name,
#include "collect/probes.def"
#undef PROBE
	NULL,
};

#define SAMPLER(name) extern const struct sampler sampler_##name;
#include "collect/samplers.def"
#undef SAMPLER

const struct sampler *const samplers[] = {
#define SAMPLER(name) &sampler_##name,
#include "collect/samplers.def"
#undef SAMPLER
	NULL,
};
