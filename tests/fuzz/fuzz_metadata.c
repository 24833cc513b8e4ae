/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as a runtime's metadata: what is said of it is JSON that fits a record, and is merged or refused. */
#include <stdlib.h>
#include <string.h>

#include "aggregate/docker.h"
#include "aggregate/facts.h"
#include "aggregate/kube.h"
#include "aggregate/metadata.h"
#include "aggregate/oci.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const json_t *found)
{
	char said[sizeof(((struct kw_identity *)0)->fields)];
	AUTO_FREE char *facts = NULL;
	unsigned int cut;
	size_t len = facts_say(found, said, sizeof(said), &cut);

	if (len >= sizeof(said) || strlen(said) != len)
		abort();
	if (len && facts_merge(&facts, 4, said) != 1)
		abort();
	if (facts && facts_merge(&facts, 4, said) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size), *facts = NULL;
	json_t *found = json_object(), *json = NULL;
	struct lookup l = { .root = "" };

	if (text)
		facts_merge(&facts, 4, text);
	if (!metadata_parse_json(&l, "input", (const char *)data, size, &json)) {
		if (oci_is_for(json, "/a/b", "b"))
			oci_facts(json, "/run/containerd/io.containerd.runtime.v2.task/x/b", "b", found);
		docker_facts(json, found);
		docker_limits(json, found);
		kube_find(json, "cefdba1130303f6a126f1a8a0f604ee012e0dfe47eeeadba94aab266a09828df", found);
		kube_owner(json_object_get(json, "labels"), json_object_get(json, "ownerReferences"), "a-b-c", found);
		check(found);
	}
	json_decref(json);
	json_decref(found);
	return 0;
}
