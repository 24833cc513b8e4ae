/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a JSON value against the part of JSON Schema 2020-12 that
 * schema/report-v1.json and schema/openapi.json use: $ref within, type, enum, const, required,
 * properties, items, oneOf, minimum, maximum.  Static: included by tests once.
 */
#ifndef KWHY_TESTS_SYNTH_SCHEMA_CHECK_H
#define KWHY_TESTS_SYNTH_SCHEMA_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool schema_holds(const json_t *root, const json_t *schema, const json_t *value, const char *path);

/* path NULL: one of several choices, of which another may hold. */
static void complain(const char *path, const char *what)
{
	if (path)
		fprintf(stderr, "%s: %s\n", path, what);
}

static bool is_type(const json_t *value, const char *type)
{
	return (!strcmp(type, "object") && json_is_object(value)) || (!strcmp(type, "array") && json_is_array(value)) ||
	       (!strcmp(type, "string") && json_is_string(value)) ||
	       (!strcmp(type, "integer") && json_is_integer(value)) ||
	       (!strcmp(type, "number") && json_is_number(value)) ||
	       (!strcmp(type, "boolean") && json_is_boolean(value)) || (!strcmp(type, "null") && json_is_null(value));
}

static bool type_holds(const json_t *type, const json_t *value)
{
	json_t *one;
	size_t i;

	if (!type)
		return true;
	if (json_is_string(type))
		return is_type(value, json_string_value(type));
	json_array_foreach(type, i, one)
		if (is_type(value, json_string_value(one)))
			return true;
	return false;
}

static bool listed(const json_t *list, const json_t *value)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (json_equal(one, value))
			return true;
	return !list;
}

static bool members_hold(const json_t *root, const json_t *schema, const json_t *value, const char *path)
{
	json_t *one, *required = json_object_get(schema, "required");
	const char *key;
	char below[512];
	size_t i;

	json_array_foreach(required, i, one) {
		if (json_is_object(value) && !json_object_get(value, json_string_value(one))) {
			complain(path, json_string_value(one));
			return false;
		}
	}
	json_object_foreach(json_object_get(schema, "properties"), key, one) {
		snprintf(below, sizeof(below), "%s.%s", path ? path : "", key);
		if (json_object_get(value, key) &&
		    !schema_holds(root, one, json_object_get(value, key), path ? below : NULL))
			return false;
	}
	json_array_foreach(value, i, one) {
		snprintf(below, sizeof(below), "%s[%zu]", path ? path : "", i);
		if (json_object_get(schema, "items") &&
		    !schema_holds(root, json_object_get(schema, "items"), one, path ? below : NULL))
			return false;
	}
	return true;
}

static bool one_holds(const json_t *root, const json_t *choices, const json_t *value)
{
	json_t *one;
	size_t i;

	json_array_foreach(choices, i, one)
		if (schema_holds(root, one, value, NULL))
			return true;
	return !choices;
}

/* "#/a/b": NULL when there is none. */
static const json_t *referred(const json_t *root, const char *ref)
{
	char name[64];

	for (ref += 1; root && *ref == '/'; ref += strlen(name)) {
		ref++;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(ref, "/"), ref);
		root = json_object_get(root, name);
	}
	return root;
}

static bool schema_holds(const json_t *root, const json_t *schema, const json_t *value, const char *path)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	const json_t *least = json_object_get(schema, "minimum"), *most = json_object_get(schema, "maximum");
	const json_t *fixed = json_object_get(schema, "const");

	if (ref)
		schema = referred(root, ref);
	if (!schema) {
		complain(path, "refers to nothing");
		return false;
	}
	if (!type_holds(json_object_get(schema, "type"), value) || !listed(json_object_get(schema, "enum"), value) ||
	    (fixed && !json_equal(fixed, value)) || (least && json_number_value(value) < json_number_value(least)) ||
	    (most && json_number_value(value) > json_number_value(most)) ||
	    !one_holds(root, json_object_get(schema, "oneOf"), value)) {
		complain(path, "does not hold");
		return false;
	}
	return members_hold(root, schema, value, path);
}

#endif
