#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every probe has a real fault that provokes it, and faults name no probe that does not exist.  Every cause has one, too, or
# stands in tests/faults/unprovoked.txt with the reason, and is made up by a test.
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

causes=$(basename -s .yaml -a analyze/rules/*.yaml | grep -vxE 'symptoms|unexplained')
provoked=$(sed -nE 's/^\t\.cause = "([a-z_.]+)",$/\1/p; s/^KERNEL_FAULT\([a-z_]+, "([a-z_.]+)",.*/\1/p' tests/faults/*.c | sort -u)
excused=$(sed -nE 's/^([a-z_.]+): .+/\1/p' tests/faults/unprovoked.txt)
for cause in $causes; do
	if grep -qxF "$cause" <<<"$provoked"; then
		grep -qxF "$cause" <<<"$excused" || continue
		echo "tests/faults/unprovoked.txt: a fault provokes $cause now"
	elif ! grep -qxF "$cause" <<<"$excused"; then
		echo "analyze/rules/$cause.yaml: no fault in tests/faults provokes it, and tests/faults/unprovoked.txt does not say why"
	elif ! grep -qF "\"$cause\"" tests/unit/test_rules*.c && ! grep -qE "^ *rule: $cause\$|cause: ${cause}[,}]" tests/rules/*.yaml; then
		echo "tests/faults/unprovoked.txt: no test makes up $cause"
	else
		continue
	fi
	bad=1
done
for cause in $provoked $excused; do
	grep -qxF "$cause" <<<"$causes" && continue
	echo "tests/faults: there is no rule for $cause"
	bad=1
done
exit "$bad"
