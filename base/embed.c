/* SPDX-License-Identifier: Apache-2.0 */
#include "base/embed.h"

#include <string.h>

/* Weak, so that a program which needs no files links without the generated table. */
extern const struct embedded_file embedded_table[] __attribute__((weak));
extern const unsigned int embedded_table_count __attribute__((weak));

const struct embedded_file *embedded_at(size_t i)
{
	if (!&embedded_table_count || i >= embedded_table_count)
		return NULL;
	return &embedded_table[i];
}

const struct embedded_file *embedded_find(const char *path)
{
	const struct embedded_file *file;

	for (size_t i = 0; (file = embedded_at(i)); i++)
		if (!strcmp(file->path, path))
			return file;
	return NULL;
}
