#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [--rounds N] [--healthy SECONDS] [FAULT...]: every fault for real against the real program.
#
# A fault passes when, no later than 10 s after its onset, there is an incident with the right cause, victim and
# culprit; and when no incident of that time blames the bystander at "probable" or above.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

rounds=1 healthy_seconds=40 only=()
while (($#)); do
	case $1 in
	--rounds) rounds=$2; shift 2 ;;
	--healthy) healthy_seconds=$2; shift 2 ;;
	*) only+=("$1"); shift ;;
	esac
done

trap kwhy_cleanup EXIT
trap 'exit 130' INT TERM

# The reports whose window overlaps [from, to], newest revision of each, as one JSON array, without their bulky parts.
reports_between() { # from_ns, to_ns
	"$KWHY" incidents --json --state "$STATE_DIR" |
		jq -s --argjson from "$1" --argjson to "$2" \
			'[.[] | select((.window.onset_ns | tonumber) <= $to and ((.window.end_ns // "9e18") | tonumber) >= $from)
				| {cause, headline, confidence, severity, window, victims, culprits} | del(.victims[].tasks, .culprits[].tasks)]'
}

has_onset() { grep -q '"event": *"onset"' "$1"; }
onset_or_end() { has_onset "$1" || ! kill -0 "$2"; } # log, pid

run_fault() { # fault, label
	local fault=$1 label=$2 log setup onset_ns to_ns reports verdict status started elapsed blamed
	log=$(mktemp "$STATE_DIR.fault.XXXXXX")
	"$FAULTS" run "$fault" --json >"$log" 2>"$log.err" &
	local pid=$!
	if ! wait_for 60 onset_or_end "$log" "$pid" || ! has_onset "$log"; then
		wait "$pid"
		status=$?
		if [[ $status -eq 77 ]]; then skip "$label" "$(tail -n 1 "$log.err")"; else not_ok "$label" "fault did not start (status $status): $(tail -n 1 "$log.err")"; fi
		rm -f "$log" "$log.err"
		return
	fi
	setup=$(jq -c 'select(.event == "setup")' "$log")
	onset_ns=$(jq -r 'select(.event == "onset") | .wall_ns' "$log")
	started=$(now_ns)
	verdict=none elapsed=
	while (($(now_ns) - onset_ns < 10000000000)); do
		reports=$(reports_between "$((onset_ns - 1000000000))" "$(now_ns)")
		verdict=$(judge "$setup" "$reports")
		if [[ -z $verdict ]]; then
			elapsed=$((($(now_ns) - onset_ns) / 1000000))
			break
		fi
		sleep 0.3
	done
	wait "$pid"
	status=$?
	sleep 2
	to_ns=$(now_ns)
	reports=$(reports_between "$((onset_ns - 1000000000))" "$to_ns")
	blamed=$(blamed_bystander "$setup" "$reports")
	echo "# $(jq -c '{fault, cause, seed, params}' <<<"$setup")"
	jq -r '.[] | "#   \(.cause) [\(.confidence.level), \(.severity)] \(.headline)"' <<<"$reports"
	if [[ $status -ne 0 ]]; then
		not_ok "$label" "fault ended with status $status: $(tail -n 1 "$log.err")"
	elif [[ -n $verdict ]]; then
		not_ok "$label" "expected $(jq -r '"\(.cause) victim \(.victim) culprit \(.culprit // .culprit_what // "none")"' <<<"$setup"); got $verdict"
	elif [[ -n $blamed ]]; then
		not_ok "$label" "bystander blamed: $blamed"
	else
		ok "$label (reported ${elapsed} ms after onset)"
	fi
	rm -f "$log" "$log.err"
}

run_healthy() {
	local from_ns bad status log=$STATE_DIR.healthy
	sleep 12 # whatever the faults left open ends
	from_ns=$(now_ns)
	"$FAULTS" run healthy --seconds "$healthy_seconds" --json >"$log" 2>&1
	status=$?
	sleep 3
	bad=$(reports_between "$((from_ns + 1000000000))" "$(now_ns)" |
		jq -r --argjson from "$from_ns" '[.[] | select((.window.onset_ns | tonumber) > $from and .severity != "info") | "\(.cause) [\(.confidence.level)] \(.headline)"] | join(" | ")')
	if [[ $status -ne 0 ]]; then not_ok healthy "$(tail -n 1 "$log")"
	elif [[ -n $bad ]]; then not_ok healthy "$bad"
	else ok "healthy host, ${healthy_seconds} s: nothing above info"; fi
	rm -f "$log"
}

if ! [[ $EUID -eq 0 ]]; then
	skip "faults end to end" "needs root"
	exit 0
fi
if ! kwhy_start; then
	not_ok "kwhy starts" "see above"
	exit 1
fi
ok "kwhy up is ready"
if (($(attached_probes) == 0)); then
	skip "faults end to end" "no BPF program can be attached on this host"
	exit 0
fi
if ((${#only[@]} == 0)); then
	mapfile -t only < <("$FAULTS" list --json | jq -r 'select(.cause != null and .name != "demo") | .name')
fi
for ((round = 1; round <= rounds; round++)); do
	for fault in "${only[@]}"; do
		run_fault "$fault" "$fault$( ((rounds > 1)) && echo " round $round")"
	done
done
((healthy_seconds)) && run_healthy
if kwhy_stop; then ok "kwhy up stops cleanly"; else not_ok "kwhy up stops cleanly" "exit status $?"; fi
