#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Opens the pages of a running kwhy, with the report of a real fault, in Debian's Chromium.
# Prints "ok NAME", "not ok NAME - why" or "skip NAME - why"; screenshots stay in $BUILD/screenshots.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
kwhy=$BUILD/kwhy
faults=$BUILD/tests/faults
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
cleanup() {
	if [[ -n $up_pid ]]; then
		kill -TERM "$up_pid" 2>/dev/null
		wait "$up_pid"
	fi
	rm -rf "$work"
}
trap cleanup EXIT

# Port 0 takes a free one; the address stands in what up prints.
"$kwhy" up --state "$work/state" --listen 127.0.0.1:0 >"$work/up.out" 2>"$work/up.err" &
up_pid=$!
for ((i = 0; i < 300; i++)); do
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
	echo "not ok browser - kwhy up was not ready within 30 s"
	exit 1
fi
bpf=$("$kwhy" query --state "$work/state" --csv 'SELECT bpf FROM v_tick ORDER BY ts_ns DESC LIMIT 1' | tail -n 1)
if [[ ${bpf%$'\r'} != 1 ]]; then
	skip "no BPF program can be attached here"
fi

# A container's past must be known before it suffers, so the fault brings its own calm seconds first.
# It measures its own effect and is drawn anew when a busy host hid it.
provoke() { "$faults" run cpu_neighbor --json >"$work/fault.jsonl" 2>"$work/fault.err"; }
if ! provoke && ! provoke && ! provoke; then
	sed 's/^/# /' "$work/fault.err"
	echo "not ok browser - the fault cpu_neighbor could not be provoked"
	exit 1
fi

KWHY_URL=$url FAULT=$work/fault.jsonl SCREENSHOTS=$PWD/$BUILD/screenshots PROFILE=$work/profile \
	node "$modules/test.mjs"
