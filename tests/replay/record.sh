#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# record.sh [FAULT...]           records the fault for real (root, BPF): NAME.kwcap.gz, NAME.truth.json, and expectations;
#                                "ONE+OTHER": both at once; "ONE+healthy": under the load of a busy healthy host
# record.sh --guest NAME FOLDER  what a guest of tests/vm has left in its run folder (KWHY_VM_CACHE/run.VERSION.faults), all
#                                its faults in one recording: those that only a guest may have
# record.sh --expect [FAULT...]  makes only the expectations anew, NAME.expected, from the captures that are there
#
# After a change to a rule, to the analyzer or to the version the second form is all it takes; git diff then shows which
# recorded faults it changes and how their headlines read now (`kwhy replay` before and after shows every byte).  A diagnosis that no longer names the cause, the victim and the culprit the
# injector knows is refused.
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build}
. tests/e2e/lib.sh
. tests/replay/lib.sh

here=tests/replay
trim=$BUILD/tests/replay/trim
containers='^[a-z]+(-[0-9a-f]{4}|[0-9a-f]{3}\.slice)$' # of the injector's containers and groups of them
settled_seconds=12 # an incident's hold time, so that it is resolved in the capture
work=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-record.XXXXXX")
collector=
stop() {
	[[ -z $collector ]] || kill -TERM "$collector" 2>/dev/null
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

ticks() { "$KWHY" query --csv --state "$work/state" 'SELECT count(*) FROM v_tick' 2>/dev/null | tail -n 1 | tr -d '\r'; }
has_ticks() { (($(ticks || echo 0) >= 4)); }

# Runs faults at once; the truths of those that have a cause.
inject() { # names with + between them, log
	local fault pids=() status=0
	for fault in ${1//+/ }; do
		"$FAULTS" run "$fault" --seconds "$([[ $fault == healthy ]] && echo 10 || echo 4)" --json >"$2.$fault" 2>"$2.$fault.err" &
		pids+=($!)
	done
	for fault in ${1//+/ }; do
		wait "${pids[0]}" || { status=1; echo "$fault: the injector failed: $(tail -n 1 "$2.$fault.err")" >&2; }
		pids=("${pids[@]:1}")
		jq -c 'select(.event == "setup" and .cause != null) | del(.event)' "$2.$fault" >>"$2"
	done
	return "$status"
}

# Runs the fault under a collector of its own and stores the trimmed capture.
record() { # fault
	local log=$work/$1.log status
	rm -rf "$work/state"
	"$KWHY" collect --state "$work/state" --capture "$work/$1.raw" 2>"$work/collect.log" &
	collector=$!
	wait_for 120 has_ticks || { cat "$work/collect.log" >&2; return 1; }
	: >"$log"
	inject "$1" "$log"
	status=$?
	sleep "$settled_seconds"
	kill -TERM "$collector"
	wait "$collector"
	collector=
	((status == 0)) || return 1
	"$trim" "$work/$1.raw" "$work/$1.kwcap" "$containers" || return 1
	gzip -9nc "$work/$1.kwcap" >"$here/$1.kwcap.gz" || return 1
	cp "$log" "$here/$1.truth.json"
}

record_guest() { # name, folder
	local status
	"$trim" "$2/faults.kwcap" "$work/$1.kwcap" "$containers" || return 1
	gzip -9nc "$work/$1.kwcap" >"$here/$1.kwcap.gz" || return 1
	for status in "$2"/*.status; do
		[[ $(<"$status") != 0 || $(head -c 1 "${status%.status}.log") != '{' ]] ||
			jq -c 'select(.event == "setup" and .cause != null) | del(.event)' "${status%.status}.log"
	done >"$here/$1.truth.json"
}

expect() { # fault
	local verdict
	gzip -dc "$here/$1.kwcap.gz" >"$work/$1.kwcap" || return 1
	"$KWHY" replay "$work/$1.kwcap" >"$work/$1.jsonl" || return 1
	verdict=$(judge_all "$here/$1.truth.json" "$(jq -cs . "$work/$1.jsonl")")
	if [[ -n $verdict ]]; then echo "$1: wrong diagnosis, expectations left as they were: $verdict" >&2; return 1; fi
	summary "$work/$1.jsonl" >"$here/$1.expected"
	chmod 644 "$here/$1".*
	echo "$1: $(wc -l <"$work/$1.jsonl") reports, capture $(stat -c %s "$here/$1.kwcap.gz") bytes"
}

mode=record
if [[ ${1:-} == --guest ]]; then
	record_guest "${2:?a name}" "${3:?whose folder?}" && expect "$2"
	exit
fi
if [[ ${1:-} == --expect ]]; then
	mode=expect
	shift
fi
names=("$@")
if ((${#names[@]} == 0)) && [[ $mode == record ]]; then
	mapfile -t names < <("$FAULTS" list --json | jq -r 'select(.cause != null and .name != "demo") | .name')
elif ((${#names[@]} == 0)); then
	for file in "$here"/*.kwcap.gz; do names+=("$(basename "$file" .kwcap.gz)"); done
fi
failed=0
for name in "${names[@]}"; do
	[[ $mode == expect ]] || record "$name" || { failed=1; continue; }
	expect "$name" || failed=1
done
exit "$failed"
