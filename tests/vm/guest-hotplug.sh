#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# guest-hotplug.sh FOLDER: what runs inside a guest of two CPUs whose second one is not there at first (tests/vm/run.sh
# judges what is left in FOLDER): it comes and goes while the collector runs and both have more to do than they can.
set -u
cd "$(dirname "$0")/../.." || exit 2
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
out=$1
state=/var/lib/kwhy-guest
online=/sys/devices/system/cpu/cpu1/online
probes='cgroup|exit|profile|runq|offcpu|wakeup|tickgap|nosched|irq|throttle|scan'
shopt -s extglob
mkdir -p "$state"

value() { "$KWHY" query --state "$state" --csv "$1" 2>/dev/null | tail -n 1 | tr -d '\r'; }

# Until the store has what happened up to now.
caught_up() {
	local now last
	now=$(date +%s%N)
	until last=$(value 'SELECT max(ts_ns) FROM v_tick') && [[ $last == +([0-9]) ]] && ((last > now)); do
		kill -0 "$collector" 2>/dev/null || return 1
		sleep 1
	done
}

spin() { exec nice -n 19 busybox sh -c 'while :; do :; done'; } # the collector comes first

"$KWHY" collect --state "$state" --set collect.run_stats=false --set "collect.disabled=$(
	sed -n 's/^PROBE(\(.*\))$/\1/p' collect/probes.def | grep -vxE "$probes" | paste -sd ,)" >"$out/collect.log" 2>&1 &
collector=$!
caught_up || exit 1
cat "$online" >"$out/online.first"
mkdir -p /sys/fs/cgroup/busy
spinners=()
for ((i = 0; i < 3; i++)); do
	(echo 0 >/sys/fs/cgroup/busy/cgroup.procs; spin) &
	spinners+=($!)
done
rounds=3
echo "$rounds" >"$out/rounds"
for ((round = 1; round <= rounds; round++)); do
	echo 1 >"$online"
	cat "$online" >"$out/online.$round"
	(spin) & # nothing but that CPU's own clock can sample it
	pinned=$!
	taskset -pc 1 "$pinned" >/dev/null
	until samples=$(value "SELECT coalesce(sum(samples), 0) FROM v_profile WHERE pid = $pinned") && [[ $samples == +([0-9]) ]] &&
		((samples > 2)); do
		kill -0 "$collector" 2>/dev/null || exit 1
		sleep 1
	done
	echo "$samples" >"$out/samples.$round"
	echo 0 >"$online"
	kill "$pinned"
	caught_up
done
echo 1 >"$online"
caught_up
kill "${spinners[@]}"
caught_up
"$KWHY" query --state "$state" --json "SELECT probe, emitted, stored, suppressed, lost_ring + lost_other AS lost FROM v_coverage c
	WHERE ts_ns = (SELECT max(ts_ns) FROM v_coverage d WHERE d.probe = c.probe)" >"$out/books.json" 2>/dev/null
"$KWHY" query --state "$state" --json "SELECT
	(SELECT total(ns) FROM v_blame WHERE resource = 'cpu') AS blamed,
	(SELECT total(wait_ns) FROM v_wait WHERE reason = 'cpu') AS waited" >"$out/waits.json" 2>/dev/null
kill -TERM "$collector"
wait "$collector"
echo $? >"$out/collect.status"
dmesg >"$out/dmesg" 2>/dev/null
true
