#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Opens the pages of a running kwhy, with the report of a real fault, in Debian's Chromium.
# Prints "ok NAME", "not ok NAME - why" or "skip NAME - why"; screenshots stay in $BUILD/screenshots.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
. tests/e2e/lib.sh
kwhy=$KWHY
faults=$FAULTS
modules=$BUILD/web-test

skip() {
	echo "skip browser - $1"
	exit 0
}

command -v chromium >/dev/null || skip "chromium is not installed"
command -v node >/dev/null || skip "nodejs is not installed"
command -v npm >/dev/null || skip "npm is not installed"
[[ $(id -u) -eq 0 ]] || skip "watching the kernel and provoking faults needs root"
[[ -x $kwhy ]] || { echo "not ok browser - $kwhy is not built"; exit 1; }
[[ -x $faults ]] || { echo "not ok browser - $faults is not built"; exit 1; }

mkdir -p "$modules" "$BUILD/screenshots"
cp tests/web/package.json tests/web/package-lock.json "$modules/"
if ! cmp -s "$modules/package-lock.json" "$modules/installed-lock.json"; then
	if ! npm ci --prefix "$modules" --no-audit --no-fund --ignore-scripts >"$modules/npm.log" 2>&1; then
		skip "npm cannot fetch playwright-core and axe-core (see $modules/npm.log)"
	fi
	cp "$modules/package-lock.json" "$modules/installed-lock.json"
fi
# Modules are resolved from where the script lies.
cp tests/web/*.mjs "$modules/"

work=$(mktemp -d)
chmod 755 "$work" # the server, which is not root, must reach its store
up_pid=
stop() {
	if [[ -n $up_pid ]]; then
		kill -TERM "$up_pid" 2>/dev/null
		wait "$up_pid"
	fi
	up_pid=
}
cleanup() {
	stop
	rm -rf "$work"
}
trap cleanup EXIT

# Port 0 takes a free one; the address stands in what up prints.
"$kwhy" up --state "$work/state" --listen 127.0.0.1:0 >"$work/up.out" 2>"$work/up.err" &
up_pid=$!
for ((i = 0; i < 1200; i++)); do
	url=$(sed -n 's/^kwhy is ready: //p' "$work/up.out")
	[[ -n $url ]] && break
	if ! kill -0 "$up_pid" 2>/dev/null; then
		wait "$up_pid"
		status=$?
		up_pid=
		[[ $status -eq 3 ]] && skip "there is nothing to watch on this host"
		sed 's/^/# /' "$work/up.err"
		echo "not ok browser - kwhy up ended with $status"
		exit 1
	fi
	sleep 0.1
done
if [[ -z $url ]]; then
	sed 's/^/# /' "$work/up.err"
	echo "not ok browser - kwhy up was not ready within two minutes"
	exit 1
fi
bpf=$("$kwhy" query --state "$work/state" --csv 'SELECT bpf FROM v_tick ORDER BY ts_ns DESC LIMIT 1' | tail -n 1)
if [[ ${bpf%$'\r'} != 1 ]]; then
	skip "no BPF program can be attached here"
fi

# A container's past must be known before it suffers, so the fault brings its own calm seconds first.  It is drawn anew
# when it had no effect or was not told: whether kwhy is right is asked elsewhere, this needs a report to look at.
told() {
	local truth
	truth=$(jq -c 'select(.event == "setup")' "$work/fault.jsonl")
	"$kwhy" incidents --json --state "$work/state" |
		jq -se --argjson truth "$truth" 'any(.[]; .cause == $truth.cause and any(.victims[]; .container.cgroup == $truth.victim))'
}
read -ra ticks < <(cpu_ticks)
for try in 1 2 3 4; do
	if "$faults" run cpu_neighbor --json >"$work/fault.jsonl" 2>"$work/fault.err" && wait_for 5 told; then break; fi
	echo "# attempt $try: $(tail -n 1 "$work/fault.err") $(head -n 1 "$work/fault.jsonl")"
done
if ! told >/dev/null; then
	stolen=$(stolen_percent "${ticks[@]}")
	((stolen <= STOLEN_PERCENT_MAX)) || skip "no fault came to a report while the hypervisor took $stolen % of the CPUs"
	echo "not ok browser - no cpu_neighbor of four came to a report"
	exit 1
fi

export FAULT=$work/fault.jsonl SCREENSHOTS=$PWD/$BUILD/screenshots PROFILE=$work/profile
KWHY_URL=$url node "$modules/test.mjs"
status=$?

# The same store through a program that was built without the libraries for charts.
stop
"$BUILD/kwhy-plain" serve --state "$work/state" --listen 127.0.0.1:0 2>"$work/plain.err" &
up_pid=$!
wait_for 30 grep -q 'serving http' "$work/plain.err"
url=$(sed -n 's/.*serving \(http.*\)/\1/p' "$work/plain.err")
PLAIN=1 KWHY_URL=$url PROFILE=$PROFILE-plain node "$modules/test.mjs" || status=1
exit "$status"
