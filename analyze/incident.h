/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of incidents: one per (cause, culprit, resource) at a time, joined by
 * further victims, ended when no symptom has held for the hold time.  Pure
 * bookkeeping: no SQL, no clock.
 */
#ifndef KWHY_ANALYZE_INCIDENT_H
#define KWHY_ANALYZE_INCIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/detect.h"
#include "analyze/engine.h"

#define VICTIMS_MAX 64
#define INCIDENTS_OPEN_MAX 256
#define REVISION_GAP_NS (2 * INT64_C(1000000000))

/* One symptom of one victim, as far as this incident explains it. */
struct victim {
	struct episode episode; /* a copy: the detector's may be gone */
	bool moved;             /* another incident explains it by now */
};

struct incident_key {
	char cause[64];
	bool culprit_is_container;
	int64_t culprit;
	char what[128]; /* of a sink; "" for a container */
	char resource[128];
};

struct incident {
	char id[27];
	int revision;           /* of the newest report; 0: none yet */
	struct incident_key key;
	bool resolved;
	enum severity severity; /* worst so far */
	enum confidence level;  /* best so far */
	int64_t onset_ns, detected_ns, peak_ns, last_ns;
	struct victim victims[VICTIMS_MAX];
	size_t victim_count;
	uint64_t victims_left_out;
	struct diagnosis diagnosis; /* of the victim that tells most */
	struct coverage coverage;
	bool changed;               /* something worth a revision */
	bool urgent;                /* the newest report names another cause, or leaves somebody out who suffers */
	int64_t written_ns;         /* tick of the newest revision */
	char merged_into[27];       /* the incident that explains all its victims by now; "": none */
	json_t *former;             /* newest report of an incident taken over from an earlier run, else NULL */
};

struct incidents;

struct incidents *incidents_new(const char *boot_id, int64_t hold_ns);
void incidents_free(struct incidents *all);
size_t incidents_count(const struct incidents *all);
struct incident *incidents_at(const struct incidents *all, size_t i);

/* The identifier is a function of the key, the boot and the onset: a replay gives the same. */
void incident_id(const struct incident_key *key, const char *boot_id, int64_t onset_ns, char ret[27]);
void incident_key_of(const struct diagnosis *diagnosis, struct incident_key *ret);

/*
 * Files a diagnosis (its contents move) of an episode under its incident, which is made when there is none.  A symptom
 * that another open incident explains stays there while that one's cause is still supported and no less certain.
 * NULL: no room (counted).
 */
struct incident *incidents_file(struct incidents *all, const struct episode *episode, struct diagnosis *diagnosis,
				const struct coverage *coverage, int64_t now_ns);
/* The episode goes on but was not diagnosed anew this time. */
void incidents_touch(struct incidents *all, const struct episode *episode, int64_t now_ns);
/* The open incident that explains the symptom of a container, or NULL. */
struct incident *incidents_of(const struct incidents *all, int64_t container, const struct symptom *symptom);
/* Whether an open incident on that kind of resource names a cause of what happens to the container. */
bool incidents_tell_of(const struct incidents *all, int64_t container, const char *resource);
/* Whether its cause is among what the diagnosis supports, and no less certain than what that found to be the root. */
bool incident_keeps(const struct incident *incident, const struct diagnosis *diagnosis);
/* Index of the victim, with its symptom, that the diagnosis kept is about. */
size_t incident_subject(const struct incident *incident);
/* Whether it names a cause with some confidence; NULL does not. */
bool incident_explains(const struct incident *incident);
/* Marks those resolved whose last symptom is gone for the hold time (all: regardless). */
void incidents_end(struct incidents *all, int64_t now_ns, bool everything);
/* Whether a report is due now. */
bool incident_due(const struct incident *incident, int64_t now_ns);
/* Drops the resolved ones. */
void incidents_sweep(struct incidents *all);
/* Takes an open incident of an earlier run over from its newest report. */
int incidents_adopt(struct incidents *all, const json_t *report);
uint64_t incidents_overflow(const struct incidents *all);

#endif
