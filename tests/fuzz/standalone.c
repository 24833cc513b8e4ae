/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer in the ordinary tests: gives every file of the folders named on the command line, and a few
 * inputs of its own, to the harness once.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fileutil.h"
#include "base/strbuf.h"

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(int dir, const char *name)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (file_read_alloc(dir, name, INPUT_MAX, &text, &len) < 0) {
		printf("not ok %s - cannot read it\n", name);
		return 1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	printf("ok %s\n", name);
	return 0;
}

static int run_folder(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int failed = 0;

	if (!dir) {
		printf("not ok %s - no such folder\n", path);
		return 1;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		/* A crash then shows which file it was. */
		printf("# %s/%s\n", path, entry->d_name);
		fflush(stdout);
		failed |= run_file(dirfd(dir), entry->d_name);
	}
	closedir(dir);
	return failed;
}

int main(int argc, char **argv)
{
	static const uint8_t bytes[] = { 0, 0xff, '\n', 0x80, '"' };
	int failed = 0;

	for (size_t len = 0; len <= sizeof(bytes); len++)
		LLVMFuzzerTestOneInput(bytes, len);
	for (int i = 1; i < argc; i++)
		failed |= run_folder(argv[i]);
	return failed;
}
