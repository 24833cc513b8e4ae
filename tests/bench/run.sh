#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What kwhy costs, as ratios within this one run: CPU time of `perf bench sched pipe` on one CPU with kwhy attached
# against without it, in alternating rounds; CPU and memory of an idle kwhy.  ROUNDS=9, LOOPS=200000, IDLE=20 seconds.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh
trap kwhy_cleanup EXIT
trap 'exit 130' INT TERM
rounds=${ROUNDS:-9} loops=${LOOPS:-200000} idle=${IDLE:-20}

if ! perf bench sched pipe -l 1000 >/dev/null 2>&1; then
	echo "make bench: 'perf bench sched pipe' does not run here (package linux-perf)" >&2
	exit 3
fi

# User and system time of one round on CPU 1 (or the only one), in ms.
pipe_cpu_ms() {
	local cpu=$(($(nproc) > 1 ? 1 : 0))
	TIMEFORMAT='%U %S'
	{ time taskset -c "$cpu" perf bench sched pipe -l "$loops" >/dev/null 2>&1; } 2>&1 |
		awk '{ printf "%d\n", ($1 + $2) * 1000 }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

process_ticks() { # pid...
	local pid sum=0 fields
	for pid in "$@"; do
		fields=$(sed 's/.*) //' "/proc/$pid/stat")
		sum=$((sum + $(awk '{ print $12 + $13 }' <<<"$fields")))
	done
	echo "$sum"
}

without=() with=()
pipe_cpu_ms >/dev/null # warm
for ((i = 1; i <= rounds; i++)); do
	without+=("$(pipe_cpu_ms)")
	kwhy_start || exit 1
	sleep 1
	with+=("$(pipe_cpu_ms)")
	kwhy_stop
	echo "# round $i: ${without[-1]} ms without, ${with[-1]} ms with" >&2
done
a=$(printf '%s\n' "${without[@]}" | median)
b=$(printf '%s\n' "${with[@]}" | median)

kwhy_start || exit 1
sleep 5
mapfile -t pids < <(echo "$UP_PID"; pgrep -P "$UP_PID")
before=$(process_ticks "${pids[@]}")
sleep "$idle"
after=$(process_ticks "${pids[@]}")
rss_kib=0
for pid in "${pids[@]}"; do
	rss_kib=$((rss_kib + $(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup")))
done
total_kib=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)

awk -v a="$a" -v b="$b" -v rounds="$rounds" 'BEGIN {
	printf "sched pipe, CPU time with kwhy / without: %.3f (median of %d rounds)\n", b / a, rounds
}'
awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v s="$idle" 'BEGIN {
	printf "idle, CPU time / wall time of one CPU: %.4f\n", t / hz / s
}'
awk -v r="$rss_kib" -v t="$total_kib" 'BEGIN {
	printf "idle, memory (PSS of all processes) / host memory: %.5f (%.1f MiB)\n", r / t, r / 1024
}'
"$KWHY" probes --json --state "$STATE_DIR" |
	jq -rs '.[] | (.run_ns // 0 | tonumber) as $ns | (.run_count // 0 | tonumber) as $runs | select($runs > 0)
		| "\(.probe): \($ns / $runs | floor) ns a run, \($runs) runs"'
