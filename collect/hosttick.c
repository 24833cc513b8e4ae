/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/hosttick.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/fileutil.h"
#include "base/timeutil.h"

/* x86: the flag that every hypervisor sets for its guests (arch/x86/include/asm/cpufeatures.h). */
bool hosttick_is_virtual(void)
{
	char first_cpu[8192] = "";

	file_read(AT_FDCWD, "/proc/cpuinfo", first_cpu, sizeof(first_cpu));
	return strstr(first_cpu, " hypervisor") != NULL;
}

/* "3-7", or "(null)" or nothing for none; absent without CONFIG_NO_HZ_FULL. */
static bool any_nohz_full(void)
{
	char cpus[64];

	return file_read(AT_FDCWD, "/sys/devices/system/cpu/nohz_full", cpus, sizeof(cpus)) > 0 &&
	       isdigit((unsigned char)cpus[0]);
}

uint64_t hosttick_jiffy_ns(void)
{
	struct timespec tick;

	/* The coarse clock advances once a jiffy, and says so. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0)
		return 0;
	return tick.tv_sec * NSEC_PER_SEC + tick.tv_nsec;
}

uint64_t hosttick_due_ns(void)
{
	return any_nohz_full() ? 0 : hosttick_jiffy_ns();
}
