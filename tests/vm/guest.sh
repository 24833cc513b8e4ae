#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# guest.sh FOLDER doctor|[only] FAULT...: what runs inside a guest (tests/vm/run.sh, which also judges what is left in
# FOLDER); with "only" the faults and no more, and the probes that PROBES names.
#
# Under emulation computing takes six times as long and a fork forty times, so this starts few programs and decides
# nothing; and while faults run there is only the collector, which writes a capture: to diagnose it is the host's part,
# by the same analyzer over the same records.  Everything is waited for by what it leaves behind; the host bounds the whole.
set -u
cd "$(dirname "$0")/../.." || exit 2
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
out=$1
shift
state=/var/lib/kwhy-guest url=http://127.0.0.1:7070
mkdir -p "$state"
chmod 755 "$state"

only=() disabled=
all_but() { sed -n 's/^PROBE(\(.*\))$/\1/p' collect/probes.def | grep -vxE "${1//,/|}" | paste -sd ,; }
if [[ ${1:-} == only ]]; then
	shift
	only=(1) disabled=$(all_but "$PROBES")
else
	"$KWHY" doctor --state "$state" --json >"$out/doctor.json" 2>/dev/null
fi
[[ ${1:-} != doctor ]] || exit 0

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
shopt -s extglob

# CPU time of the collector and time since boot, in hundredths of a second.
spent() { awk -v up="$(cut -d' ' -f1 /proc/uptime)" '{ print $14 + $15, int(up * 100) }' "/proc/$collector/stat" 2>/dev/null; }

# The kernel looks for modules where the initramfs was: what faults need is loaded beforehand.
modprobe -qa loop ext4 xfs fuse veth tun nf_tables nft_ct nft_counter sch_tbf sch_htb sch_netem dm_mod dm_delay sd_mod \
	2>/dev/null
modprobe -q scsi_debug dev_size_mb=8 opts=2 2>/dev/null # a disk with one bad sector
[[ ! -s $out/kwhy_fault.ko ]] || insmod "$out/kwhy_fault.ko"

# What a program costs here says nothing: none is to be held back for it.
"$KWHY" collect --state "$state" --capture "$state/faults.kwcap" --set collect.run_stats=false \
	--set "collect.disabled=$disabled" >"$out/collect.log" 2>&1 &
collector=$!
caught_up && echo "$SECONDS" >"$out/ready"
"$KWHY" probes --state "$state" --json >"$out/probes.json" 2>/dev/null

# A container by a real runtime, without systemd.
if ((!${#only[@]})) && command -v runc >/dev/null; then
	mkdir -p /bundle/rootfs/bin
	cp "$(command -v busybox)" /bundle/rootfs/bin/sleep
	cat >/bundle/config.json <<-J
		{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "annotations": {"org.example.app": "demo"},
		 "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "600"], "cwd": "/", "env": ["PATH=/bin"]},
		 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
		 "linux": {"cgroupsPath": "/shop/demo-runc", "resources": {"memory": {"limit": 67108864}},
		  "namespaces": [{"type": "pid"}, {"type": "mount"}]}}
	J
	timeout 120 runc run -d --no-pivot --bundle /bundle demo-runc >"$out/runc.log" 2>&1 </dev/null
	echo $? >"$out/runc.status"
	caught_up
fi

read -r began_cpu began_at < <(spent)
for fault; do
	timeout -k 10 150 "$FAULTS" run "$fault" --json >"$out/$fault.log" 2>"$out/$fault.err"
	echo $? >"$out/$fault.status"
done
caught_up
read -r cpu at < <(spent)
echo "$((cpu - began_cpu)) $((at - began_at))" >"$out/spent"
kill -TERM $collector
wait $collector
echo $? >"$out/collect.status"
dmesg >"$out/dmesg" 2>/dev/null
cp "$state/faults.kwcap" "$out/faults.kwcap"
((!${#only[@]})) || exit 0

# The whole of it, with those probes only that say who lives and dies: to load all of them takes a minute here.
"$KWHY" up --state "$state" --listen 127.0.0.1:7070 --set "collect.disabled=$(all_but cgroup,oom,signal,exit)" >"$out/up.log" 2>&1 &
up=$!
until curl -fsS -m 5 -o "$out/readyz" "$url/readyz" 2>/dev/null; do
	kill -0 $up 2>/dev/null || break
	sleep 1
done
kill -TERM $up
wait $up
echo $? >"$out/up.status"
true
