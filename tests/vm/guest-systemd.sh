#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# guest-systemd.sh FOLDER FAULT...: what runs inside a guest whose init is systemd (tests/vm/run.sh judges what is left in
# FOLDER): kwhy as the shipped unit, and one of each kind of thing that systemd has a cgroup for.
set -u
cd "$(dirname "$0")/../.." || exit 2
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
out=$1
shift
url=http://127.0.0.1:7070

# Until the store has what happened a while ago, and the analyzer has seen it.  However slowly time goes here, the host
# bounds the whole.
caught_up() {
	local now last=0 i
	now=$(date +%s%N)
	for ((i = 0; i < 600 && last < now + 4000000000; i++)); do
		sleep 1
		last=$(curl -fsS -m 5 "$url/readyz" | jq -r .tick.ts_ns)
	done
	echo "$i" >>"$out/lag"
}

modprobe -qa loop ext4 xfs fuse veth tun nf_tables 2>/dev/null
install -m 755 "$KWHY" /usr/local/bin/kwhy
sed 's|@PREFIX@|/usr/local|g' packaging/kwhy.service >/etc/systemd/system/kwhy.service
# Under emulation the kernel takes minutes of CPU time to check all programs: those that see who lives, runs out of
# memory, is killed or crashes are enough here.  Without faults nothing else happens.
probes=$(sed -n 's/^PROBE(\(.*\))$/\1/p' collect/probes.def)
if (($#)); then probes=; else probes=$(grep -vxE 'cgroup|oom|signal|exit' <<<"$probes"); fi
mkdir -p /etc/systemd/system/kwhy.service.d
printf '[Service]\nCPUQuota=\nTimeoutStopSec=300\nExecStart=\nExecStart=/usr/local/bin/kwhy up --set collect.disabled=%s\n' \
	"$(paste -sd , <<<"$probes")" >/etc/systemd/system/kwhy.service.d/emulated.conf
# Debian starts Podman's service with the system; it ends when nobody asks.  Nobody is kwhy.
started() { systemctl show -p ExecMainStartTimestampMonotonic --value podman.service; }
useradd --system --no-create-home kwhy 2>/dev/null
systemctl daemon-reload
for ((i = 0; i < 30; i++)); do
	systemctl is-active -q podman.service || break
	sleep 1
done
started >"$out/podman.before"
systemctl start kwhy.service 2>"$out/start.err"
echo $? >"$out/start.status"
for ((i = 0; i < 600; i++)); do
	curl -fsS -m 5 -o "$out/readyz" "$url/readyz" 2>/dev/null && break
	sleep 1
done
((i < 600)) && echo "$SECONDS" >"$out/ready"
kwhy probes --json >"$out/probes.json" 2>/dev/null

# A service in a slice of its own with limits; a container by runc with its systemd driver; one by Podman.
systemd-run -q --unit=demo-web --slice=shop-front.slice -p MemoryMax=64M -p CPUQuota=30% -p TasksMax=32 sleep 600
mkdir -p /bundle/rootfs/bin
cp /bin/busybox /bundle/rootfs/bin/
ln -s busybox /bundle/rootfs/bin/sleep
cat >/bundle/config.json <<-J
	{"ociVersion": "1.0.2", "root": {"path": "rootfs", "readonly": true}, "annotations": {"org.example.app": "demo"},
	 "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "600"], "cwd": "/", "env": ["PATH=/bin"]},
	 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
	 "linux": {"cgroupsPath": "machine.slice:runc:demo-runc", "resources": {"memory": {"limit": 67108864}},
	  "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "network"}]}}
J
# Another overlay does not go on that of the guest.
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
	>/etc/containers/storage.conf
runc --systemd-cgroup run -d --bundle /bundle demo-runc >"$out/runc.log" 2>&1 </dev/null
podman --log-level=error run -d --name demo-podman --network none --label app=demo -m 64m --rootfs /bundle/rootfs \
	/bin/sleep 600 >"$out/podman.log" 2>&1 </dev/null
# Those who die: a service that runs out of memory, a process that crashes in a container.
# shellcheck disable=SC2016
printf '%s\n' 'x=aaaaaaaa' 'while :; do x=$x$x; done' >/bundle/rootfs/eat
# shellcheck disable=SC2016
echo '/bin/busybox sh -c "kill -SEGV \$\$"; true' >/bundle/rootfs/crash
systemd-run -q --wait --unit=demo-oom -p MemoryMax=16M /bin/busybox sh /bundle/rootfs/eat >"$out/oom.log" 2>&1
podman --log-level=error run --rm --name demo-crash --network none --rootfs /bundle/rootfs /bin/busybox sh /crash \
	>"$out/crash.log" 2>&1 </dev/null
caught_up
kwhy containers --json >"$out/containers.json" 2>"$out/containers.err"
systemctl stop demo-web.service
podman rm -ft0 demo-podman >>"$out/podman.log" 2>&1
caught_up
kwhy query --json "SELECT name, cgroup, unit, last_ns FROM v_container WHERE last_ns IS NOT NULL" >"$out/gone.json" 2>/dev/null

kwhy query --json "SELECT 'oom' AS what, container_name AS name FROM v_oom UNION ALL
	SELECT 'crash', container_name FROM v_exit WHERE signal = 11" >"$out/died.json" 2>/dev/null

for fault; do
	"$FAULTS" run "$fault" --json >"$out/$fault.log" 2>"$out/$fault.err"
	echo $? >"$out/$fault.status"
done
caught_up
kwhy incidents --json >"$out/incidents.json" 2>"$out/incidents.err"
started >"$out/podman.after"
systemctl is-active podman.socket >"$out/podman.socket"
systemctl stop kwhy.service
systemctl show -p Result --value kwhy.service >"$out/up.result"
journalctl -u kwhy.service -o cat --no-pager >"$out/up.log" 2>&1
systemctl --no-pager --failed >"$out/failed.txt" 2>&1
dmesg >"$out/dmesg" 2>/dev/null
true
