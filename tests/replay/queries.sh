#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every saved query over a recorded fault that it answers a question about: it must find rows there.  And their
# parameters, on the command line.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

# query, recording
table="
who_throttled_whom cpu_throttled
who_waited_for_whom cpu_neighbor
waits_by_reason cpu_neighbor
longest_waits cpu_neighbor
where_it_waited lock_inode
wait_stacks lock_inode
hot_stacks fault_handler
hot_functions fault_handler
who_woke_whom fault_handler
lock_holders lock_inode
user_lock_holders lock_futex
slow_peers ipc_peer_slow
drops_by_place net_drop_policy
drops_by_flow net_drop_policy
retransmits net_loss
failed_connections net_refused
before proc_killed
oom_kills oom_memcg
memory_stalls reclaim_memcg
cache_thrown_out evicted
slow_io io_neighbor
io_limits io_throttled
fsyncs fs_journal
journal_commits fs_journal
killers proc_killed
deaths proc_crash
limits_reached limit_fds
near_limits oom_memcg
top_cpu cpu_neighbor
pressure cpu_neighbor
freezes fs_frozen
kernel_log kernel_oops
incidents_by_cause cpu_neighbor
lost_records cpu_neighbor
"
work=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-queries.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

store() { # recording: its store, made once
	if [[ ! -d $work/$1 ]]; then
		gzip -dc "tests/replay/$1.kwcap.gz" >"$work/$1.kwcap" &&
			"$KWHY" replay --keep "$work/$1" "$work/$1.kwcap" >/dev/null 2>&1 && rm -f "$work/$1.kwcap"
	fi
	echo "$work/$1"
}

while read -r query recording; do
	[[ -n $query ]] || continue
	state=$(store "$recording")
	rows=$("$KWHY" query --state "$state" --saved "$query" --json 2>"$work/err" | wc -l)
	if [[ -s $work/err ]]; then not_ok "query $query" "$(head -n 1 "$work/err")"
	elif ((rows == 0)); then not_ok "query $query" "no row over $recording"
	else ok "query $query"; fi
done <<<"$table"

# Those that nobody recorded a fault for must at least run.
"$KWHY" query --json | jq -r .name | while read -r query; do
	grep -q "^$query " <<<"$table" && continue
	if "$KWHY" query --state "$(store cpu_neighbor)" --saved "$query" --json >/dev/null 2>"$work/err"; then ok "query $query runs"
	else not_ok "query $query runs" "$(head -n 1 "$work/err")"; fi
done

state=$(store cpu_neighbor)
victim=$(jq -r .victim tests/replay/cpu_neighbor.truth.json)
only=$("$KWHY" query --state "$state" --saved waits_by_reason --param container="$victim" --json | jq -rs 'map(.container) | unique | join(" ")')
if [[ $only == "$victim" ]]; then ok "a parameter narrows a saved query down"; else not_ok "a parameter narrows a saved query down" "got \"$only\", not \"$victim\""; fi

# As of a moment: what came later is not known yet, in any verb.
first() { "$KWHY" query --state "$state" --json "$1" | jq -r '[.[]] | join(" ")' | head -n 1; } # SQL
read -r id first_ns last_ns revisions < <(first 'SELECT id, CAST(min(created_ns) AS TEXT), CAST(max(created_ns) AS TEXT), max(revision) FROM v_report GROUP BY id HAVING max(revision) > 1')
at() { # ns, then a verb with its arguments: what it prints
	local ns=$1
	shift
	"$KWHY" "$@" --state "$state" --json --at "@${ns%?????????}.${ns: -9}" 2>/dev/null
}
check() { # name, what is, what shall be
	if [[ $2 == "$3" ]]; then ok "$1"; else not_ok "$1" "is $2, not $3"; fi
}
check "incidents before the first report" "$(at $((first_ns - 1)) incidents | jq -r .id | grep -c "$id")" 0
check "incidents after it" "$(at "$first_ns" incidents | jq -r 'select(.id == "'"$id"'") | .revision')" 1
check "a report as it was then" "$(at $((last_ns - 1)) report "$id" | jq '.revision < '"$revisions")" true
check "a report as it is" "$(at "$last_ns" report "$id" | jq .revision)" "$revisions"
check "events known then" "$(at "$first_ns" events | jq -s 'length > 0 and all(.[]; (.ts_ns | tonumber) <= '"$first_ns"')')" true
check "probes as they were then" "$(at "$first_ns" probes | jq -s 'length > 0 and all(.[]; (.ts_ns | tonumber) <= '"$first_ns"')')" true
check "why, up to then" "$(at "$first_ns" why "$victim" | jq '(.window.to_ns // .window.end_ns | tonumber) <= '"$first_ns")" true

refused() { # name, pattern, arguments...
	local name=$1 pattern=$2 err status
	shift 2
	err=$("$KWHY" query --state "$state" "$@" 2>&1 >/dev/null)
	status=$?
	if [[ $status -eq 2 ]] && grep -q -- "$pattern" <<<"$err"; then ok "$name"; else not_ok "$name" "exit $status: $err"; fi
}
refused "an unknown saved query" "no saved query" --saved nothing_like_it
refused "an unknown parameter" "takes no parameter" --saved waits_by_reason --param pod=x
refused "a parameter of another type" "must be" --saved kernel_log --param priority=high
refused "a saved query beside SQL" "either" --saved kernel_log 'SELECT 1'

# A site's own query, and one that is broken.
mkdir "$work/site"
printf -- '-- title: Ticks\n-- param: least int 0: so many\nSELECT count(*) AS n FROM v_tick WHERE ts_ns > :since HAVING n >= :least\n' >"$work/site/ticks.sql"
printf 'SELECT 1\n' >"$work/site/untitled.sql"
n=$("$KWHY" query --state "$state" --set "query.saved=$work/site" --saved ticks --param least=2 --csv 2>"$work/err" | tail -n 1 | tr -d '\r')
if ((n >= 2)) && grep -q 'untitled.*title' "$work/err"; then ok "a site's own query runs, a broken one is said"; else not_ok "a site's own query runs, a broken one is said" "n is \"$n\": $(cat "$work/err")"; fi
