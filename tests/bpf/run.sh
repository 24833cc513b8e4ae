#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests on the running kernel.  Needs root for most; without it they are skipped, counted and explained.
set -u
cd "$(dirname "$0")/../.." || exit 2

make=${MAKE:-make}
BUILD=${BUILD:-build}

if ! "$make" -s BUILD="$BUILD" tests-bpf >"$BUILD/tests-bpf.log" 2>&1; then
	tail -n 30 "$BUILD/tests-bpf.log" | sed 's/^/# /'
	echo "not ok tests-bpf builds - see above"
	exit 1
fi
status=0
if [[ -f $BUILD/tests/bpf/broken.bpf.o ]]; then
	"$BUILD/tests/bpf/isolation" "$BUILD/tests/bpf/broken.bpf.o" || status=1
	"$BUILD/tests/bpf/storm" "$BUILD/tests/bpf/storm.bpf.o" || status=1
else
	echo "skip isolation, storm - built without BPF objects (NOBPF)"
fi
"$BUILD/tests/bpf/collector" || status=1
tests/bpf/objects.sh || status=1
"$BUILD/tests/bpf/oracle" || status=1
"$BUILD/tests/bpf/waits" || status=1
"$BUILD/tests/bpf/plain" || status=1
"$BUILD/tests/bpf/govern" || status=1
"$BUILD/tests/bpf/profile" || status=1
exit "$status"
