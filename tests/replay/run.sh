#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [--sample N]: recorded faults, or N of them drawn at random, diagnosed again: byte for byte what is expected,
# and what the injector knows to be true.  Needs neither root nor BPF.  After a deliberate change: tests/replay/record.sh --expect
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh
. tests/replay/lib.sh

here=tests/replay
trim=$(dirname "$KWHY")/tests/replay/trim
work=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-replay-test.XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# expect STATUS PATTERN NAME COMMAND...: exit status, and a message on standard error.
expect() {
	local want=$1 pattern=$2 name=$3 err status
	shift 3
	err=$(timeout 60 "$@" 2>&1 >/dev/null)
	status=$?
	if [[ $status -ne $want ]]; then not_ok "$name" "exit $status, expected $want: $err"
	elif ! grep -qiE -- "$pattern" <<<"$err"; then not_ok "$name" "message does not say $pattern: $err"
	else ok "$name"; fi
}

same() { # name, file, file
	if cmp -s "$2" "$3"; then ok "$1"; else not_ok "$1" "$(cmp "$2" "$3" 2>&1)"; fi
}

replay_one() { # fault
	local capture=$work/$1.kwcap truth=$here/$1.truth.json diff verdict blamed reports
	gzip -dc "$here/$1.kwcap.gz" >"$capture" || { not_ok "replay $1" "capture unreadable"; return; }
	"$KWHY" replay "$capture" --keep "$capture.state" >"$capture.reports.jsonl" 2>"$capture.err" ||
		{ not_ok "replay $1" "exit $?: $(tail -n 1 "$capture.err")"; return; }
	diff=$(summary "$capture.reports.jsonl" | diff "$here/$1.expected" - 2>&1)
	reports=$(jq -cs . "$capture.reports.jsonl")
	verdict=$(judge_all "$truth" "$reports")
	blamed=$(blamed_in "$truth" "$reports")
	if [[ -n $verdict ]]; then not_ok "replay $1" "wrong diagnosis: $verdict"
	elif [[ -n $blamed ]]; then not_ok "replay $1" "bystander blamed: $blamed"
	elif [[ -n $diff ]]; then not_ok "replay $1" "not what is expected (tests/replay/record.sh --expect): $diff"
	else ok "replay $1"; fi
}

# Asked about the very window of an incident, `kwhy why` says what the incident says: its cause and its culprit, or
# those of another one of that time from which the same container suffers as much, or loses more time.
why_agrees() { # fault
	local reports=$work/$1.kwcap.reports.jsonl state=$work/$1.kwcap.state id container since until answer wrong bad=
	while read -r id container since until; do
		answer=$("$KWHY" why "$container" --since "$since" --until "$until" --json --state "$state" 2>/dev/null |
			jq -c '{cause, headline, culprits: [.culprits[] | {what, container: {cgroup: .container.cgroup?}}]}')
		wrong=$(jq -rs --arg id "$id" --arg container "$container" --arg answer "$answer" '
			def rank: {info: 0, warning: 4, critical: 8}[.severity]
				+ {possible: 1, probable: 2, confirmed: 3}[.confidence.level];
			def told: [.cause, (.culprits[0] | .container.cgroup // .what)];
			def suffers: any(.victims[]; (.container.cgroup // "host") == $container);
			($answer | fromjson? // {cause: "no answer"}) as $said
			| (.[] | select(.id == $id)) as $report
			| def lost: [.victims[] | select((.container.cgroup // "host") == $container).impact[]
				| select(.unit == "ns").value | tonumber] | max // 0;
			  def beside: suffers and (rank >= ($report | rank) or lost > ($report | lost))
				and (.window.onset_ns | tonumber) <= ($report.window.end_ns | tonumber)
				and (.window.end_ns | tonumber) >= ($report.window.onset_ns | tonumber);
			  if any(.[] | select(.id == $id or beside); told == ($said | told)) then empty
			  else "\($report.cause) of \($container): \($said | told | map(. // "nobody") | join(", ")):"
				+ " \($said.headline)" end' "$reports")
		[[ -z $wrong ]] || grep -qsx "$1 ${wrong%% *} .*" "$here/why.exceptions" || bad+="$wrong; "
	done < <(jq -r 'select(.merged_into == null and (.confidence.level == "confirmed" or .confidence.level == "probable"))
		| [.id, .hypotheses[0].victim.cgroup // "host", .window.onset_ns, .window.end_ns] | join(" ")' "$reports")
	rm -rf "$state"
	if [[ -n $bad ]]; then not_ok "why $1" "an incident, and what kwhy why says of its time: $bad"; else ok "why $1"; fi
}

# The stored capture holds nothing but the fault's containers and the host.
trimmed_one() { # fault
	"$trim" "$work/$1.kwcap" "$work/$1.again" >/dev/null
	same "capture $1 is trimmed" "$work/$1.kwcap" "$work/$1.again"
}

# The same bytes wherever, whenever and whoever.
deterministic() { # fault
	local capture=$work/$1.kwcap expected=$work/$1.kwcap.reports.jsonl binary=$work/bin
	"$KWHY" replay "$capture" >"$work/first" 2>/dev/null
	"$KWHY" replay "$capture" >"$work/second" 2>/dev/null
	same "replayed twice" "$work/first" "$work/second"
	same "what replay prints is what --verify compares" "$work/first" "$expected"
	mkdir -p "$work/elsewhere/deep"
	(cd / && TZ=Asia/Tokyo LC_ALL=C TMPDIR=$work/elsewhere/deep "$KWHY_ABS" replay "$capture" --state "$work/none" >"$work/second")
	same "replayed in another place and time zone" "$work/first" "$work/second"
	if [[ -n $(ls -A "$work/elsewhere/deep") ]]; then not_ok "replay leaves nothing behind" "$(ls "$work/elsewhere/deep")"; else ok "replay leaves nothing behind"; fi
	if [[ $EUID -ne 0 ]]; then skip "replayed as another user" "needs root to become nobody"; return; fi
	mkdir -p "$binary" && cp "$KWHY" "$binary/kwhy" && chmod 755 "$binary" "$binary/kwhy" && chmod 644 "$capture"
	setpriv --reuid=nobody --regid=nogroup --clear-groups env TMPDIR=/tmp "$binary/kwhy" replay "$capture" >"$work/second"
	same "replayed as an unprivileged user" "$work/first" "$work/second"
}

# Bytes of a file overwritten.
damage() { # from, to, offset, count
	cp "$1" "$2"
	head -c "$4" /dev/zero | tr '\0' '\377' | dd of="$2" bs=1 seek="$3" conv=notrunc status=none
}

damaged() { # fault
	local capture=$work/$1.kwcap expected=$work/$1.kwcap.reports.jsonl size
	size=$(stat -c %s "$capture")
	expect 0 "" "--verify without a name takes FILE.reports.jsonl" "$KWHY" replay "$capture" --verify
	head -c $((size - 7)) "$capture" >"$work/torn"
	expect 5 'torn|damaged' "a torn capture is a partial result" "$KWHY" replay "$work/torn"
	head -c 100 "$capture" >"$work/torn"
	expect 4 'not a capture' "a capture cut in its header" "$KWHY" replay "$work/torn"
	damage "$capture" "$work/damaged" $((size / 2)) 200
	expect 5 'torn|damaged' "a damaged capture is a partial result" "$KWHY" replay "$work/damaged"
	damage "$capture" "$work/damaged" $((size / 8)) 4
	expect 1 'differs' "a damaged capture is not verified" "$KWHY" replay "$work/damaged" --verify="$expected"
	damage "$capture" "$work/damaged" 0 4
	expect 4 'not a capture' "a capture with a bad beginning" "$KWHY" replay "$work/damaged"
	: >"$work/empty"
	expect 4 'not a capture' "an empty file" "$KWHY" replay "$work/empty"
	expect 4 'no such file' "a missing capture" "$KWHY" replay "$work/missing"
	expect 4 'no such file' "missing expectations" "$KWHY" replay "$capture" --verify="$work/missing"
	sed 's/"cause":"/"cause":"x/' "$expected" >"$work/other"
	expect 1 'differs' "another expectation is a negative finding" "$KWHY" replay "$capture" --verify="$work/other"
	{ cat "$expected"; echo '{}'; } >"$work/other"
	expect 1 'differs' "a report too few is a negative finding" "$KWHY" replay "$capture" --verify="$work/other"
}

# A byte anywhere may be wrong: never a crash, never a hang.
survives() { # fault
	local capture=$work/$1.kwcap size step offset status bad=
	size=$(stat -c %s "$capture")
	step=$((size / 12))
	for ((offset = 3; offset < size; offset += step)); do
		damage "$capture" "$work/damaged" "$offset" 3
		timeout 60 "$KWHY" replay "$work/damaged" >/dev/null 2>&1
		status=$?
		case $status in 0 | 4 | 5) ;; *) bad+=" offset $offset: exit $status;" ;; esac
	done
	if [[ -n $bad ]]; then not_ok "damage at many places" "$bad"; else ok "damage at many places"; fi
}

KWHY_ABS=$(realpath "$KWHY")
names=()
for file in "$here"/*.kwcap.gz; do names+=("$(basename "$file" .kwcap.gz)"); done
first=${names[0]:-}
if [[ ${1:-} == --sample && $2 -lt ${#names[@]} ]]; then
	skip "$((${#names[@]} - $2)) of ${#names[@]} recordings" "not drawn this time; without --sample all are replayed"
	mapfile -t names < <({ echo "$first"; printf '%s\n' "${names[@]:1}" | shuf -n "$(($2 - 1))"; } | sort)
fi
# As many at once as there are CPUs; their lines come in order.
for name in "${names[@]}"; do
	while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
	{
		replay_one "$name"
		why_agrees "$name"
		if [[ -x $trim ]]; then trimmed_one "$name"; else skip "capture $name is trimmed" "make tests-replay was not run"; fi
	} >"$work/$name.lines" 2>&1 &
done
wait
for name in "${names[@]}"; do cat "$work/$name.lines"; done
if [[ -x $FAULTS ]]; then
	# A recording holds one fault or several: its truths have their names.
	recorded=" $(jq -r '.fault' "$here"/*.truth.json | sort -u | paste -sd ' ') "
	for name in $("$FAULTS" list --json | jq -r 'select(.cause != null and .name != "demo") | .name'); do
		[[ $recorded == *" $name "* ]] || skip "replay $name" "not recorded: tests/replay/record.sh $name"
	done
fi
[[ -n $first ]] || exit 1
deterministic "$first"
damaged "$first"
survives "$first"
