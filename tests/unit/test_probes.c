/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of probes and samplers are data that others rely on: what they must not say wrong. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "collect/objects_run.h"
#include "collect/probe.h"
#include "collect/sampler.h"
#include "schema/kernel_maps.h"

static void names_are_unique(void **state)
{
	const char *names[128];
	unsigned int count = 0;

	(void)state;
	for (unsigned int i = 0; probes[i]; i++)
		names[count++] = probes[i]->name;
	for (unsigned int i = 0; samplers[i]; i++)
		names[count++] = samplers[i]->name;
	assert_true(count > 1);
	for (unsigned int i = 0; i < count; i++) {
		assert_true(strlen(names[i]) > 0 && strlen(names[i]) < sizeof(((struct kw_probe *)0)->name));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	}
}

static void every_probe_explains_itself(void **state)
{
	(void)state;
	for (unsigned int i = 0; probes[i]; i++)
		assert_true(probes[i]->title && probes[i]->cost && probes[i]->causes);
	for (unsigned int i = 0; samplers[i]; i++)
		assert_true(samplers[i]->title && samplers[i]->cost && samplers[i]->causes && samplers[i]->sample);
}

static void count_kinds(const uint16_t *kinds, unsigned int owners[KW_KINDS_MAX])
{
	for (; kinds && *kinds; kinds++) {
		assert_non_null(kw_kind_by_number(*kinds));
		owners[*kinds]++;
	}
}

/* Books are kept per kind, and the first source answers for it: a sampler's numbers would be credited to another. */
static void a_samplers_kind_has_one_source(void **state)
{
	unsigned int of_probes[KW_KINDS_MAX] = { 0 }, of_samplers[KW_KINDS_MAX] = { 0 };

	(void)state;
	for (unsigned int i = 0; probes[i]; i++)
		count_kinds(probes[i]->kinds, of_probes);
	for (unsigned int i = 0; samplers[i]; i++)
		count_kinds(samplers[i]->kinds, of_samplers);
	for (unsigned int kind = 0; kind < KW_KINDS_MAX; kind++)
		if (of_samplers[kind] + (of_samplers[kind] ? of_probes[kind] : 0) > 1)
			fail_msg("kind %s has several sources", kw_kind_by_number(kind)->name);
}

static void a_probe_has_a_required_hook_and_says_what_is_lost(void **state)
{
	(void)state;
	for (unsigned int i = 0; probes[i]; i++) {
		bool required = false, all_optional = true;

		for (const struct attach_choice *c = probes[i]->attach; c && c->hook; c++) {
			bool first = c == probes[i]->attach || strcmp(c[-1].hook, c->hook) != 0;

			assert_non_null(c->program);
			required |= c->required;
			all_optional &= !c->lost; /* each watches something the host may lack as a whole */
			if (first && c->required && !c->lost)
				fail_msg("probe %s, hook %s: does not say what is lost", probes[i]->name, c->hook);
		}
		assert_true(required || all_optional);
	}
}

static void objects_are_carried(void **state)
{
	(void)state;
	if (!bpf_object_images_count)
		skip(); /* built with NOBPF=1 */
	for (unsigned int i = 0; probes[i]; i++) {
		bool found = !probes[i]->attach;

		for (unsigned int j = 0; j < bpf_object_images_count; j++)
			found |= !strcmp(bpf_object_images[j].name, probes[i]->object);
		if (!found)
			fail_msg("probe %s: no object %s", probes[i]->name, probes[i]->object);
	}
}

static void lists_of_names(void **state)
{
	(void)state;
	assert_true(setting_lists("runq", "runq"));
	assert_true(setting_lists("lock, runq ,psi", "runq"));
	assert_true(setting_lists("lock,psi", "psi"));
	assert_false(setting_lists("", "psi"));
	assert_false(setting_lists("psi2,xpsi", "psi"));
	assert_false(setting_lists(",,", "psi"));
	assert_false(setting_lists("ps", "psi"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(every_probe_explains_itself),
		cmocka_unit_test(a_samplers_kind_has_one_source),
		cmocka_unit_test(a_probe_has_a_required_hook_and_says_what_is_lost),
		cmocka_unit_test(objects_are_carried),
		cmocka_unit_test(lists_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
