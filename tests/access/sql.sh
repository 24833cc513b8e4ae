#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Somebody's SQL on a running kwhy: whatever it does is stopped, said, and leaves no mark on what is collected.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

if ! [[ $EUID -eq 0 ]]; then
	skip "runaway SQL on a running kwhy" "needs root"
	exit 0
fi
trap kwhy_cleanup EXIT
trap 'exit 130' INT TERM
kwhy_start --set query.time=2s --set query.memory=64M || { not_ok "kwhy starts" "see above"; exit 1; }

body=$STATE_DIR.fault.body
post() { curl -sS -m 20 -o "$body" -w '%{http_code}' -H 'Content-Type: text/plain' --data-binary "$1" "$URL/api/v1/query"; }
runaway() { # name, status, pattern, SQL
	local status
	status=$(post "$4")
	if [[ $status == "$2" ]] && grep -qi -- "$3" "$body"; then ok "$1"; else not_ok "$1" "answered $status, expected $2: $(head -c 300 "$body")"; fi
}
value() { "$KWHY" query --csv --state "$STATE_DIR" "$1" | tail -n 1 | tr -d '\r'; }
endless='WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r'

sleep 3
begin=$(now_ns)
read -ra ticks_then < <(cpu_ticks)
runaway "an endless recursion" 504 'longer than it may' "$endless"
runaway "a cross join" 504 'longer than it may' 'SELECT count(*) FROM v_event a, v_event b, v_event c, v_event d'
runaway "a value of a gigabyte" 413 'larger than' 'SELECT randomblob(1000000000)'
runaway "a sort of everything" 413 'more memory' 'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT hex(randomblob(50000)) AS x FROM r ORDER BY 1'
runaway "a write" 400 'cannot modify' 'DELETE FROM v_event'
runaway "another file" 400 'authorized' "ATTACH '/etc/passwd' AS x"

worker() { pgrep -P "$(pgrep -P "$UP_PID" -f 'kwhy serve( |$)')" -f sql-worker; }
post "$endless" >"$body.status" &
asking=$!
if wait_for 2 worker; then
	kill -KILL "$(worker)"
	wait "$asking"
	[[ $(<"$body.status") == 503 ]] && grep -q 'killed by signal 9' "$body" && ok "kill -9 of a query's process" || not_ok "kill -9 of a query's process" "$(cat "$body.status" "$body")"
else
	not_ok "kill -9 of a query's process" "there is none"
fi
[[ $(post 'SELECT 1') == 200 ]] && ok "the next query is answered" || not_ok "the next query is answered" "$(cat "$body")"
worker >/dev/null && not_ok "no process stays behind" "$(worker)" || ok "no process stays behind"

# A page is answered while a query runs.
post "$endless" >/dev/null &
asking=$!
wait_for 2 worker
if ! curl -fsS -m 60 -o /dev/null "$URL/incidents"; then not_ok "pages open meanwhile" "no answer"
elif ! worker >/dev/null; then not_ok "pages open meanwhile" "the page was only there when the query had ended"
else ok "pages open meanwhile"; fi
wait "$asking"

# Ticks went on through all of it, and the books balance.
sleep 2
gap=$(value "SELECT coalesce(max(d), 0) / 1000000 AS ms FROM (SELECT ts_ns - lag(ts_ns) OVER (ORDER BY ts_ns) AS d FROM v_tick WHERE ts_ns >= $begin)")
ticks=$(value "SELECT count(*) AS n FROM v_tick WHERE ts_ns >= $begin")
stolen=$(stolen_percent "${ticks_then[@]}")
if ((ticks >= 5 && gap < 2500)); then ok "ticks go on"
elif ((ticks >= 5 && stolen > STOLEN_PERCENT_MAX)); then skip "ticks go on" "$ticks of them, but up to $gap ms apart: the hypervisor took $stolen % of the CPUs"
else not_ok "ticks go on" "$ticks ticks, longest gap $gap ms"; fi
off=$(value "SELECT count(*) AS n FROM v_coverage WHERE emitted <> stored + lost_ring + suppressed + lost_other")
((off == 0)) && ok "the books balance" || not_ok "the books balance" "$off rows do not"
lost=$(value "SELECT coalesce(max(lost_ring), 0) AS n FROM v_coverage WHERE ts_ns >= $begin")
((lost == 0)) && ok "nothing was lost" || not_ok "nothing was lost" "$lost records"
restarts=$(grep -c 'died' "$UP_LOG")
((restarts == 0)) && ok "both halves lived through it" || not_ok "both halves lived through it" "$restarts restarts"
