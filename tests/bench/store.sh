#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Pages and shipped queries over a store of ten million records and five thousand incidents: time to the answer and CPU
# time of the server, medians of nine, and a query without end that is stopped meanwhile.  ROWS=10000000 INCIDENTS=5000;
# DIR is where the store is made (2.5 GB), and stays if it is named.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh
trap 'exit 130' INT TERM
scratch=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-store.XXXXXX") || exit 1
STATE_DIR=${DIR:-$scratch/big}
chmod 755 "$scratch"
finish() {
	kwhy_stop
	rm -rf "$scratch"
}
trap finish EXIT

if [[ ! -d $STATE_DIR/events ]]; then
	${MAKE:-make} -s BUILD="$BUILD" "$BUILD/tests/bench" || exit
	gzip -dc tests/replay/cpu_neighbor.kwcap.gz >"$scratch/capture.kwcap" &&
		"$KWHY" replay --keep "$scratch/one" "$scratch/capture.kwcap" >/dev/null 2>&1 &&
		"$KWHY" incidents --state "$scratch/one" --json | tail -n 1 >"$scratch/report.json" || exit
	mkdir -p "$STATE_DIR" && chmod 755 "$STATE_DIR" || exit
	"$BUILD/tests/bench" "$STATE_DIR" "${ROWS:-10000000}" "$scratch/report.json" "${INCIDENTS:-5000}" || exit
fi
KEEP_STATE=1 READY_SECONDS=120 kwhy_start || exit

server() { pgrep -P "$UP_PID" -f 'kwhy serve( |$)'; }
cpu_ms() { awk '{ print ($14 + $15) * 10 }' "/proc/$1/stat"; } # of a process
median() { sort -n | sed -n 5p; }
percentile() { sort -n | awk -v p="$1" '{ a[NR] = $1 } END { print a[int((NR - 1) * p / 100) + 1] }'; }

page() { # path
	local i before pid
	pid=$(server)
	for i in {1..9}; do
		before=$(cpu_ms "$pid")
		printf '%s ' "$(curl -sS -o /dev/null -w '%{time_total}' "$URL$1" | awk '{ printf "%d", $1 * 1000 }')"
		echo $(($(cpu_ms "$pid") - before))
	done >"$scratch/times"
	printf '%-50s %6d ms, CPU %4d ms\n' "$1" "$(cut -d' ' -f1 "$scratch/times" | median)" "$(cut -d' ' -f2 "$scratch/times" | median)"
}

sleep 15 # the analysis of what the store ends with
report=$("$KWHY" incidents --state "$STATE_DIR" --limit 1 --json | jq -r .id)
container=$("$KWHY" query --state "$STATE_DIR" --csv 'SELECT name FROM v_container WHERE cgroup LIKE "/test/service%" LIMIT 1' | tail -n 1 | tr -d '\r')
echo "Pages, time to the answer and CPU time of the server, which analyses this host meanwhile:"
for path in / /incidents "/incidents?container=$container" "/incidents/$report" /observe "/observe?container=$container" /events \
	"/events?container=$container" /stacks /containers /agent; do
	page "$path"
done

echo "Shipped queries over the newest hour, by the command line, its start included:"
TIMEFORMAT='%R %U %S'
"$KWHY" query --json | jq -r .name | while read -r query; do
	for _ in {1..3}; do
		{ time "$KWHY" query --state "$STATE_DIR" --saved "$query" --json >/dev/null 2>&1; } 2>&1 |
			awk -v q="$query" '{ print int($1 * 1000), int(($2 + $3) * 1000), q }'
	done
done >"$scratch/queries"
for p in 50 95 100; do
	printf '%3d %% within %5d ms, CPU %5d ms\n' "$p" "$(cut -d' ' -f1 "$scratch/queries" | percentile "$p")" \
		"$(cut -d' ' -f2 "$scratch/queries" | percentile "$p")"
done
sort -rn -k2 "$scratch/queries" | head -n 3

echo "A query without end:"
begin=$(now_ns)
time curl -sS -o /dev/null -w '%{http_code} ' -H 'Content-Type: text/plain' "$URL/api/v1/query" --data-binary \
	'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r, v_event'
sleep 2
"$KWHY" query --state "$STATE_DIR" --since -1min "SELECT count(*) AS ticks, max(gap_ms) AS longest_gap_ms, max(lost) - min(lost) AS lost
	FROM (SELECT (ts_ns - lag(ts_ns) OVER (ORDER BY ts_ns)) / 1000000 AS gap_ms, lost FROM v_tick WHERE ts_ns >= $begin)"
