#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# "make lint": each check is one test.  Results per file are kept as stamps below the build folder.
set -u
cd "$(dirname "$0")/../.." || exit 2

make=${MAKE:-make}
build=${BUILD:-build}
failed=0

step() { # name, command...
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok $name"
	else
		[[ -z $out ]] || echo "$out" | sed 's/^/  /'
		echo "not ok $name - see above"
		failed=1
	fi
}

needs() { # program, name: true when it is there, else a skip is said
	command -v "$1" >/dev/null 2>&1 && return 0
	echo "skip $2 - $1 is not installed"
	return 1
}

step folders tests/lint/folders.sh
step spdx tests/lint/spdx.sh
step banned-calls tests/lint/banned.sh
step faults tests/lint/faults.sh
if needs cppcheck cppcheck; then
	step cppcheck "$make" -s -k -j2 BUILD="$build" lint-cppcheck
fi
if needs clang-tidy clang-tidy; then
	step clang-tidy "$make" -s -k -j2 BUILD="$build" lint-tidy
fi
exit "$failed"
