#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every probe has a real fault that provokes it, and faults name no probe that does not exist.
set -u
cd "$(dirname "$0")/../.." || exit 2

bad=0
probes=$(sed -n 's/^PROBE(\([a-z]*\))$/\1/p' collect/probes.def)
named=$(sed -n 's/^\t\.probes = "\([a-z,]*\)",$/\1/p' tests/faults/*.c | tr ',' '\n' | sort -u)
if [[ -z $probes || -z $named ]]; then
	echo "no probe found in collect/probes.def or no fault that names one in tests/faults"
	exit 1
fi
for probe in $probes; do
	grep -qx "$probe" <<<"$named" && continue
	echo "collect/probes.def: no fault in tests/faults provokes $probe"
	bad=1
done
for probe in $named; do
	grep -qx "$probe" <<<"$probes" && continue
	echo "tests/faults: $probe is no probe of collect/probes.def"
	bad=1
done
exit "$bad"
