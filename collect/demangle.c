/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFERENCES_MAX 24 /* two of them double the text: at most 80 KB, in half a millisecond */

bool demangle_is_mangled(const char *name)
{
	return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

/* Substitutions and template parameters of the Itanium C++ ABI (5.1.10), back references of Rust's (RFC 2603). */
static unsigned int references(const char *name)
{
	unsigned int n = 0;

	for (const char *c = name + 2; *c; c++) {
		bool follows = c[1] == '_' || isdigit((unsigned char)c[1]) || isupper((unsigned char)c[1]);

		n += name[1] == 'R' ? *c == 'B' : (*c == 'S' || *c == 'T') && follows;
	}
	return n;
}

/* Of "operator<" and "<impl foo>::bar" the bracket is part of the name. */
static bool opens_arguments(const char *text, const char *at)
{
	static const char operator[] = "operator";
	size_t before = (size_t)(at - text);

	if (!before || (before >= sizeof(operator) - 1 && !memcmp(at - sizeof(operator) + 1, operator, sizeof(operator) - 1)))
		return false;
	return isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == ':';
}

/* In place: what stands between brackets goes. */
static void drop_arguments(char *text)
{
	unsigned int depth = 0;
	char *to = text;

	for (char *c = text; *c; c++) {
		if (*c == '>' && depth && c[-1] != '-') /* no arrow */
			depth--;
		if (!depth)
			*to++ = *c;
		if (*c == '<' && (depth || opens_arguments(text, to - 1)))
			depth++;
	}
	*to = '\0';
}

bool demangle(const char *name, char *ret, size_t size)
{
	char *text;

	if (!demangle_is_mangled(name) || strlen(name) >= DEMANGLE_NAME_MAX || references(name) > REFERENCES_MAX)
		return false;
	text = cplus_demangle(name, DMGL_AUTO);
	if (!text)
		return false;
	if (strlen(text) >= size)
		drop_arguments(text);
	snprintf(ret, size, "%s", text);
	free(text);
	for (char *c = ret; *c; c++)
		if (!isprint((unsigned char)*c) || *c == ';')
			*c = '?';
	return true;
}
