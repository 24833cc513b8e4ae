#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a container suffer under its neighbour for six seconds and shows what a running kwhy says about it.
# KWHY_URL: where kwhy listens (default http://127.0.0.1:7070).  FAULTS: the fault program.
set -u

url=${KWHY_URL:-http://127.0.0.1:7070}
url=${url%/}
faults=${FAULTS:-$(dirname "$0")/../build/tests/faults}

fail() {
	echo "demo: $1" >&2
	exit "${2:-1}"
}

for program in curl jq; do
	command -v "$program" >/dev/null || fail "the program $program is not installed" 3
done
[ -x "$faults" ] || fail "$faults is not built: run 'make' first" 3
curl -s -o /dev/null --max-time 3 "$url/healthz" ||
	fail "no kwhy answers at $url: start it with 'build/kwhy up' as root, or set KWHY_URL" 4
curl -sf -o /dev/null --max-time 5 "$url/readyz" || fail "kwhy at $url is not ready yet: see $url/readyz" 4

out=$(mktemp) || fail "cannot make a temporary file"
trap 'rm -f "$out"' EXIT
echo "A container computes its requests; in three seconds another one starts to hog the CPUs ..."
"$faults" run demo >"$out"
code=$?
[ "$code" -eq 77 ] && fail "this host cannot run the demo" 3
[ "$code" -eq 0 ] || fail "the fault program failed"
victim=$(jq -r 'select(.event == "setup").victim' "$out")
culprit=$(jq -r 'select(.event == "setup").culprit' "$out")
echo "It is over.  $victim was the one who waited, $culprit the one who hogged.  What does kwhy say?"

# Names are drawn at random: a report about this victim is about this demo.  On a loaded host somebody else may have made
# it wait before; the one who hogged is waited for, and what there is otherwise is shown in the end.
reports_on_victim() {
	curl -sf --max-time 5 "$url/api/v1/incidents?limit=50" | jq -c --arg victim "$victim" --arg culprit "$culprit" '
		def is($name): .container.name == $name or .container.cgroup == $name;
		[.items[] | select(any(.victims[]; is($victim)))] as $all
		| [$all[] | select(any(.culprits[]; .container != null and is($culprit)))] as $named
		| {sure: ($named != []), report: (($named + $all)[0])} | select(.report != null)' 2>/dev/null
}

deadline=$((SECONDS + 15))
found='' sure=false
while [ "$SECONDS" -lt "$deadline" ] && [ "$sure" != true ]; do
	found=$(reports_on_victim)
	sure=$(jq -r .sure <<<"$found")
	[ "$sure" = true ] || sleep 0.5
done
if [ -n "$found" ]; then
	jq -r '.report | .headline' <<<"$found"
	echo "$url/incidents/$(jq -r '.report.id' <<<"$found")"
	exit 0
fi
fail "kwhy at $url reported nothing about $victim within 15 s: see $url/incidents"
