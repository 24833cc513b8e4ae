#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [--rounds N] [--modes LIST] [--healthy SECONDS] [--out DIR] [--lock FILE] [FAULT...]
#
# How often kwhy is right: faults with known causes against the real program, counted per cause.  Modes, separated by
# commas: "alone"; "busy", beside the load of a healthy host; "pair", beside another fault drawn at random.  Each run is
# one line of DIR/runs.jsonl (default build/accuracy); runs add up over several calls until the file is removed.
# Prints the table, writes DIR/accuracy.md and DIR/accuracy.json.  --table only does that, from the runs that are there.
# Under load the containers of the load are neighbours like any other, which is taken for granted and not measured: a report that names one of them as the neighbour of
# a fault's victim is no answer about the fault; such reports are counted by themselves.
# A run in which the hypervisor took a quarter of the CPU time or more is counted apart: it has a cause of its own.
# --lock: held while a fault runs, on machines where others must not measure then.
# Exit status 1 when the runs do not keep what tests/accuracy/table.jq demands.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

rounds=1 modes=alone,busy,pair healthy_seconds=60 out=${BUILD}/accuracy lock= table_only= faults=()
while (($#)); do
	case $1 in
	--rounds) rounds=$2; shift 2 ;;
	--modes) modes=$2; shift 2 ;;
	--healthy) healthy_seconds=$2; shift 2 ;;
	--out) out=$2; shift 2 ;;
	--lock) lock=$2; shift 2 ;;
	--table) table_only=1; shift ;;
	*) faults+=("$1"); shift ;;
	esac
done
mkdir -p "$out" || exit 2
runs=$out/runs.jsonl
settle_seconds=11 # what a run left open ends: the hold time of incidents
touch "$runs"

table() {
	jq -s -f tests/accuracy/table.jq "$runs" >"$out/accuracy.json" || return 2
	jq -r '.markdown' "$out/accuracy.json" | tee "$out/accuracy.md"
	jq -r '.failed[] | "NOT MET: \(.)"' "$out/accuracy.json"
	jq -e '.failed == []' "$out/accuracy.json" >/dev/null
}

if [[ -n $table_only ]]; then
	table
	exit
fi

trap kwhy_cleanup EXIT
trap 'exit 130' INT TERM

reports_between() { # from_ns, to_ns
	# Not all there ever were: reading those would itself take the CPU from the next victim.
	"$KWHY" incidents --json --since "@$(($1 / 1000000000 - 120))" --state "$STATE_DIR" |
		jq -s --argjson from "$1" --argjson to "$2" \
			'[.[] | select((.window.onset_ns | tonumber) <= $to and ((.window.end_ns // "9e18") | tonumber) >= $from)
				| {id, cause, headline, confidence, severity, window, victims, culprits, hypotheses, merged_into}
				| del(.victims[].tasks, .culprits[].tasks, .hypotheses[].tests)]'
}

# Jiffies of all CPUs: stolen by the hypervisor, and all.
cpu_jiffies() { awk '/^cpu /{for (i = 2; i <= 9; i++) all += $i; printf "%.0f %.0f\n", $9, all}' /proc/stat; }

stolen_share() { # stolen and all at first
	local stolen all
	read -r stolen all < <(cpu_jiffies)
	awk -v s="$((stolen - $1))" -v a="$((all - $2))" 'BEGIN{printf "%.3f", (a > 0) ? s / a : 0}'
}

event_of() { jq -c --arg e "$2" 'select(.event == $e)' "$1" 2>/dev/null; } # log, event
has_onset() { [[ -n $(event_of "$1" onset) ]]; }

watch_one() { # log
	local onset_ns
	onset_ns=$(event_of "$1" onset | jq -r .wall_ns)
	if [[ -n $onset_ns ]]; then wait_for_report "$(event_of "$1" setup)" "$onset_ns"; else echo null; fi
}

# One line about one fault of a run that is over.  others: the truths of what ran beside it; what they did to this
# fault's victim is no answer about this fault; nor is that of a hypervisor which /proc/stat shows at it, nor of the load.
score() { # fault, mode, log, took_ms, status, others, stolen share, containers of the load
	local setup onset_ns
	setup=$(event_of "$3" setup)
	onset_ns=$(event_of "$3" onset | jq -r .wall_ns)
	jq -cn --argjson truth "$setup" --argjson reports "$(reports_between "$((onset_ns - 1000000000))" "$(now_ns)")" \
		--argjson others "$6" --argjson stolen "$7" --argjson load "$8" --arg fault "$1" --arg mode "$2" --argjson took "$4" --argjson real "$([[ $5 -eq 0 ]] && echo true || echo false)" \
		"$RIGHT"'
		def rank: {confirmed: 3, probable: 2, possible: 1, inconclusive: 0}[.confidence.level]
			+ {critical: 8, warning: 4, info: 0}[.severity];
		def of_hypervisor: $stolen >= 0.05 and .cause == "cpu.steal" and $truth.cause != "cpu.steal";
		def of_another: . as $report | of_hypervisor or any($others[]; . as $o | $report | hit_cause($o) and hit_culprit($o)
			and (hit_victim($o) or $o.culprit != $o.victim));
		def of_load: (.cause | IN("cpu.neighbor", "cpu.saturation", "io.neighbor")) and any(.culprits[]?; .container.cgroup | IN($load[]));
		# What somebody who looks for this victim is shown, most important first.  A hop that became part of its root, and
		# the hops themselves, are no answers of their own.
		[$reports[] | select(hit_victim($truth) and .merged_into == null and (of_another | not))] as $about
		| [$about[] | select(of_load and (hit_cause($truth) and hit_culprit($truth) | not))] as $of_load
		| $about - $of_load | sort_by(-rank, .window.detected_ns) as $shown
		| ($shown[0] // null) as $first
		| [$shown[] | select(hit_cause($truth))] as $right
		| {fault: $fault, cause: $truth.cause, mode: $mode, seed: $truth.seed, params: $truth.params, real: $real, stolen: $stolen,
		   took_ms: $took, reports: ($shown | length),
		   top1: ($first != null and ($first | hit_cause($truth))),
		   top3: (any($shown[:3][]; hit_cause($truth)) or
			any($first.hypotheses[:3][]?; .verdict == "supported" and hit_cause($truth))),
		   culprit: any($right[]; hit_culprit($truth)),
		   level: ($right[0].confidence.level // null),
		   abstained: all($shown[]; .confidence.level == "inconclusive"),
		   bystander: [$reports[] | select(blames_bystander($truth)) | .headline],
		   wrong_confirmed: [$shown[] | select(.confidence.level == "confirmed" and .severity != "info"
			and (hit_cause($truth) | not)) | .cause],
		   of_load: [$of_load[] | .headline],
		   shown: [$shown[] | "\(.cause) [\(.confidence.level), \(.severity)] \(.headline)"]}' >>"$runs"
	tail -n 1 "$runs" | jq -r '"\(.fault) \(.mode): \(if .real | not then "not real" elif .top1 and .culprit then "right, \(.took_ms) ms, \(.level)" else "WRONG: \(.shown | join(" | "))" end)\(if .bystander != [] then " BYSTANDER BLAMED" else "" end)"'
}

# The truths of all but one of several logs, as an array.
truths_but() { # index, log...
	local i=0 skip=$1 log
	shift
	for log; do
		((i++ == skip)) || event_of "$log" setup
	done | jq -cs .
}

# Runs several faults at once and scores each that took hold.
run_faults() { # mode, fault...
	local mode=$1 fault i pid log load='' pids=() logs=() took=() statuses=() jiffies stolen
	shift
	read -ra jiffies < <(cpu_jiffies)
	if [[ $mode == busy ]]; then
		"$FAULTS" run healthy --seconds 20 --json >"$STATE_DIR.fault.load" 2>&1 &
		load=$!
		sleep 2
	fi
	for fault; do
		logs+=("$STATE_DIR.fault.${#logs[@]}")
		: >"${logs[-1]}"
		"$FAULTS" run "$fault" --json >>"${logs[-1]}" 2>"${logs[-1]}.err" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
		statuses+=($?)
	done
	stolen=$(stolen_share "${jiffies[@]}")
	for log in "${logs[@]}"; do
		took+=("$(watch_one "$log")")
	done
	sleep 2
	i=0
	for fault; do
		if has_onset "${logs[i]}"; then
			score "$fault" "$mode" "${logs[i]}" "${took[i]:-null}" "${statuses[i]}" "$(truths_but "$i" "${logs[@]}")" "$stolen" \
				"$( [[ -z $load ]] && echo '[]' || event_of "$STATE_DIR.fault.load" setup | jq -c '[.params | .computing, .copying, .talking]')"
		else
			echo "$fault $mode: did not start (status ${statuses[i]}): $(tail -n 1 "${logs[i]}.err")"
		fi
		((++i))
	done
	[[ -z $load ]] || { kill -TERM "$load" 2>/dev/null; wait "$load" 2>/dev/null; }
}

# Looks for what a healthy host raises above "info"; the faults' own sandboxes have other names by then.
run_healthy() {
	local from_ns left=$healthy_seconds status=0
	sleep "$settle_seconds"
	from_ns=$(now_ns)
	while ((left > 0 && status == 0)); do
		"$FAULTS" run healthy --seconds "$((left > 100 ? 100 : left))" --json >"$STATE_DIR.fault.0" 2>&1
		status=$?
		((left -= 100))
	done
	sleep 3
	jq -cn --argjson reports "$(reports_between "$((from_ns + 1000000000))" "$(now_ns)")" --argjson from "$from_ns" \
		--argjson seconds "$healthy_seconds" '{fault: "healthy", mode: "healthy", seconds: $seconds, alarms:
			[$reports[] | select((.window.onset_ns | tonumber) > $from and .severity != "info")
				| "\(.cause) [\(.confidence.level)] \(.headline)"]}' >>"$runs"
	tail -n 1 "$runs" | jq -r '"healthy \(.seconds) s: \(if .alarms == [] then "nothing above info" else "ALARMS: \(.alarms | join(" | "))" end)"'
}

locked() { # command...
	if [[ -z $lock ]]; then
		"$@"
		return
	fi
	exec 8>"$lock"
	flock 8
	"$@"
	exec 8>&-
}

partner() { # fault: another one
	printf '%s\n' "${faults[@]}" | grep -vx -- "$1" | shuf -n 1
}

if [[ $EUID -ne 0 ]]; then
	echo "needs root" >&2
	exit 3
fi
((${#faults[@]})) || mapfile -t faults < <("$FAULTS" list --json | jq -r 'select(.cause != null and .name != "demo") | .name')
kwhy_start || exit 3
listen_start
for ((round = 1; round <= rounds; round++)); do
	for fault in $(shuf -e "${faults[@]}"); do
		for mode in ${modes//,/ }; do
			if [[ $mode == pair ]]; then
				locked run_faults pair "$fault" "$(partner "$fault")"
			else
				locked run_faults "$mode" "$fault"
			fi
			sleep "$settle_seconds"
		done
	done
done
if ((healthy_seconds > 0)); then locked run_healthy; fi
listen_stop
kwhy_stop
table
