#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# guest.sh FOLDER doctor|FAULT...: what runs inside a guest (tests/vm/run.sh, which also judges what is left in FOLDER).
# Under emulation a fork costs forty times as much, so this starts few programs and decides nothing.
set -u
cd "$(dirname "$0")/../.." || exit 2
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
out=$1
shift
state=/var/lib/kwhy-guest url=http://127.0.0.1:7070
mkdir -p "$state"
chmod 755 "$state"

"$KWHY" doctor --state "$state" --json >"$out/doctor.json" 2>/dev/null
[[ ${1:-} != doctor ]] || exit 0
# The kernel looks for modules where the initramfs was: what faults need is loaded beforehand.
modprobe -qa loop ext4 xfs fuse veth tun nf_tables nft_ct sch_tbf sch_htb sd_mod 2>/dev/null
modprobe -q scsi_debug dev_size_mb=8 opts=2 2>/dev/null # a disk with one bad sector
[[ ! -s $out/kwhy_fault.ko ]] || insmod "$out/kwhy_fault.ko"

"$KWHY" up --state "$state" --listen 127.0.0.1:7070 >"$out/up.log" 2>&1 &
up=$!
for ((i = 0; i < 90; i++)); do # the kernel checks programs thirty times more slowly here
	curl -fsS -m 5 -o "$out/readyz" "$url/readyz" 2>/dev/null && break
	sleep 1
done
((i < 90)) && echo "$SECONDS" >"$out/ready"
"$KWHY" probes --state "$state" >"$out/probes.txt" 2>&1
"$KWHY" probes --state "$state" --json >"$out/probes.json" 2>/dev/null

for fault; do
	"$FAULTS" run "$fault" --json >"$out/$fault.log" 2>"$out/$fault.err"
	echo $? >"$out/$fault.status"
done
sleep 4
"$KWHY" incidents --state "$state" --json >"$out/incidents.json" 2>"$out/incidents.err"
"$KWHY" query --state "$state" --csv 'SELECT * FROM v_coverage GROUP BY probe HAVING ts_ns = max(ts_ns)' \
	>"$out/coverage.csv" 2>&1
kill -TERM $up
wait $up
echo $? >"$out/up.status"
dmesg >"$out/dmesg" 2>/dev/null
cp -r "$state" "$out/state" 2>/dev/null
true
