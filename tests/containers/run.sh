#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Real container runtimes: every container is known by its name, runtime, pod, image and limits, early enough, and
# after its death.  A kubelet is not packaged: tests/unit/test_metadata_api.c has recorded replies of one.
# run.sh [PART...]: only those parts, in that order.  SHORT=N: how many short-lived containers of each runtime (20).
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh
. tests/containers/lib.sh
SHORT=${SHORT:-20}
CRI=$BUILD/tests/containers/cri

[[ $(id -u) -eq 0 ]] || { skip "containers" "needs root"; exit 0; }
for tool in jq curl busybox unshare; do
	command -v "$tool" >/dev/null || { skip "containers" "needs $tool"; exit 0; }
done

CTR_ID=kwhy-ctr-$RANDOM
W=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-ct.XXXX")
STATE_DIR=$W/state
CONTAINERD_PID='' DOCKER_PID='' COLLECT_PID='' PODMAN_PID=''

cleanup() {
	local id
	[[ -n $DOCKER_PID ]] && for id in $(docker_api GET '/containers/json?all=1' 2>/dev/null | jq -r '.[].Id'); do
		docker_api DELETE "/containers/$id?force=1" >/dev/null
	done
	[[ -n $CONTAINERD_PID ]] && containerd_clean
	end "$PODMAN_PID"
	[[ -d $W/podman ]] && podman_ rm -fat0 >/dev/null 2>&1
	for id in "$W"/runs/*; do
		[[ -d $id ]] && "$(cat "$id/runtime")" --root "$W/roots" delete -f "${id##*/}" >/dev/null 2>&1
	done
	end "$DOCKER_PID"
	end "$CONTAINERD_PID"
	end "$COLLECT_PID"
	remove_cgroups
	for id in $(awk -v w="$W" 'index($5, w) == 1 {print $5}' /proc/self/mountinfo | sort -r); do umount "$id"; done
	rm -rf "$W"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

has_ticks() { [[ $("$KWHY" query --csv --state "$STATE_DIR" 'SELECT count(*) > 0 FROM v_tick' 2>/dev/null | tail -n 1 | tr -d '\r') == 1 ]]; }

collect_start() {
	"$KWHY" collect --state "$STATE_DIR" >>"$W/collect.log" 2>&1 &
	COLLECT_PID=$!
	wait_for 120 has_ticks
}

rows() { # SQL
	"$KWHY" query --json --state "$STATE_DIR" "$1" 2>"$W/query.err"
}

# Bounds everything that has to come, on a machine that others use too; how long it took is not judged.
PATIENCE=120

# check NAME WHERE CONDITION: one container that fits WHERE comes to fulfil the jq condition.
check() {
	local row='' until=$((SECONDS + PATIENCE))
	while ((SECONDS < until)); do
		row=$(rows "SELECT * FROM v_container WHERE $2 ORDER BY first_ns DESC LIMIT 1")
		if [[ -n $row ]] && jq -e "$3" <<<"$row" >/dev/null 2>&1; then ok "$1"; return 0; fi
		sleep 0.3
	done
	not_ok "$1" "wanted $3, got $(jq -c '{name, runtime, id, image, pod, namespace, labels, limits, role, owner, exit_code, exit_reason, facts}' <<<"${row:-{\}}" 2>/dev/null) $(tail -n 1 "$W/query.err")"
	return 1
}

# Whether the name of a container was known before its first instruction; the container prints /proc/uptime first.
known_before() { # id, uptime of the first instruction
	local known first now up
	known=$(rows "SELECT min(ts_ns) AS ts_ns FROM v_identity WHERE source IN (4, 5, 6) AND container = (SELECT container FROM v_container WHERE id = '$1')" | jq -r .ts_ns)
	read -r up _ </proc/uptime
	now=$(now_ns)
	first=$(awk -v now="$now" -v up="$up" -v first="$2" 'BEGIN { printf "%.0f", now - (up - first) * 1e9 }')
	[[ $known =~ ^[0-9]+$ && -n $2 ]] || { echo "# $1: no record of a source, or no first instruction ($known, $2)"; return 1; }
	echo "# $1: known $(((first - known) / 1000000)) ms before its first instruction"
	((known <= first + 10000000)) # what /proc/uptime resolves
}

# run_by_hand VIEW RUNTIME ID MEMORY: prints the uptime of its first instruction.
run_by_hand() {
	bundle "$W/bundle-$3" "/$TOP/$3" 'cat /proc/uptime; sleep 0.5' "$4"
	mkdir -p "$W/runs/$3"
	echo "$2" >"$W/runs/$3/runtime"
	in_view "$1" "$2" --root "$W/roots" run --bundle "$W/bundle-$3" "$3" 2>"$W/err" </dev/null | cut -d' ' -f1
}

# by_hand VIEW RUNTIME
by_hand() {
	local id=$2-$1-$RANDOM limits=67108864 first try
	[[ $1 == v2 ]] && limits=0 # a hybrid host has no controllers there
	first=$(run_by_hand "$1" "$2" "$id" "$limits")
	[[ -n $first ]] || { not_ok "$2 runs in the view $1" "$(head -c 300 "$W/err")"; return; }
	check "$2, $1: name, runtime, annotations" "id = '$id'" \
		".name == \"$id\" and .runtime == \"$2\" and .annotations[\"org.example.app\"] == \"demo\" and .kind == \"container\" and .last_ns != null"
	((limits)) && check "$2, $1: limits" "id = '$id'" '.limits.memory == 67108864 and .limits.pids == 64'
	# A machine whose CPUs are away for a moment proves nothing: then another container.
	for ((try = 1; try < 6; try++)); do
		if known_before "$id" "$first"; then ok "$2, $1: known before its first instruction"; return; fi
		id=$2-$1-again$try
		first=$(run_by_hand "$1" "$2" "$id" "$limits")
		check "$2, $1: another one's name" "id = '$id'" ".name == \"$id\""
	done
	not_ok "$2, $1: known before its first instruction" "later in five containers"
}

nested() {
	local outer inner
	command -v runc >/dev/null || { skip "nested" "runc is not installed"; return; }
	outer=$(head -c 32 /dev/urandom | sha256sum | cut -c1-64)
	inner=$(head -c 32 /dev/urandom | sha256sum | cut -c1-64)
	bundle "$W/outer" "/$TOP/docker/$outer" 'sleep 2'
	bundle "$W/inner" "/$TOP/docker/$outer/docker/$inner" 'sleep 1'
	mkdir -p "$W/runs/$outer" "$W/runs/$inner"
	echo runc | tee "$W/runs/$outer/runtime" >"$W/runs/$inner/runtime"
	runc --root "$W/roots" run -d --bundle "$W/outer" "$outer" </dev/null >/dev/null 2>&1
	runc --root "$W/roots" run --bundle "$W/inner" "$inner" </dev/null >/dev/null 2>&1
	check "nested: the innermost is found, and knows the outer" \
		"id = '$inner' AND parent = (SELECT container FROM v_container WHERE id = '$outer')" '.kind == "container"'
}

ctr_demo() {
	if ! command -v containerd >/dev/null; then skip "containerd" "not installed"; return; fi
	if ! containerd_start; then skip "containerd" "one runs on this host already, or it does not start: $(tail -n 1 "$W/containerd/log" 2>/dev/null)"; return; fi
	image localhost/busybox:1 "$W/busybox.img"
	image localhost/pause:1 "$W/pause.img"
	ctr images import "$W/busybox.img" >/dev/null 2>&1
	for name in busybox pause; do ctr -n k8s.io images import "$W/$name.img" >/dev/null 2>&1; done
	ctr run -d --label app=demo --memory-limit 67108864 localhost/busybox:1 $CTR_ID /bin/sleep 20 2>"$W/err" ||
		{ not_ok "containerd: ctr run" "$(head -c 300 "$W/err")"; return; }
	check "containerd by ctr: name, namespace, limits from the bundle" "id = '$CTR_ID'" \
		".name == \"$CTR_ID\" and .runtime == \"containerd\" and .namespace == \"default\" and .limits.memory == 67108864"
	check "containerd by ctr: labels and image from its API" "id = '$CTR_ID'" \
		'.labels.app == "demo" and .image == "localhost/busybox:1" and (.facts.labels[0] == "containerd")'
}

pod() {
	local uid sandbox container
	[[ -n $CONTAINERD_PID ]] || { skip "pod" "needs a containerd of its own"; return; }
	uid=$(cat /proc/sys/kernel/random/uuid)
	sandbox=$("$CRI" pod web-0 shop "$uid" | cri_call RunPodSandbox | "$CRI" answer)
	[[ -n $sandbox ]] || { not_ok "pod: sandbox starts" "$(tail -n 2 "$W/containerd/log")"; return; }
	container=$("$CRI" container "$sandbox" nginx shop "$uid" web-0 'sleep 2; exit 7' | cri_call CreateContainer | "$CRI" answer)
	[[ -n $container ]] || { not_ok "pod: container is made" "$(tail -n 2 "$W/containerd/log")"; return; }
	"$CRI" id "$container" | cri_call StartContainer >/dev/null
	check "pod: name, pod, namespace, image, limits" "id = '$container'" \
		".name == \"nginx\" and .pod == \"web-0\" and .namespace == \"shop\" and .pod_uid == \"$uid\" and .runtime == \"containerd\" and .image == \"localhost/busybox:1\" and .limits.memory == 67108864 and .qos == \"burstable\" and .role == \"container\""
	check "pod: labels of the pod, owner and restarts from the runtime interface" "id = '$container'" \
		'.labels.app == "demo" and .owner == "statefulset/web" and .restarts == 3'
	check "pod: sandbox" "id = '$sandbox'" '.role == "sandbox" and .pod == "web-0" and .labels.app == "demo"'
	sleep 2
	check "pod: how its container ended" "id = '$container'" '.exit_code == 7 and .last_ns != null'
	for call in StopPodSandbox RemovePodSandbox; do "$CRI" id "$sandbox" | cri_call "$call" >/dev/null; done
}

docker_demo() {
	local id
	if ! command -v dockerd >/dev/null; then skip "docker" "not installed"; return; fi
	if ! docker_start; then skip "docker" "one runs on this host already, or it does not start: $(tail -n 1 "$W/docker/log" 2>/dev/null)"; return; fi
	image localhost/busybox:1 "$W/busybox.img"
	docker_api POST /images/load -H 'content-type: application/x-tar' --data-binary @"$W/busybox.img" >/dev/null
	id=$(docker_api POST "/containers/create?name=kwhy-demo" -H 'content-type: application/json' -d '{"Image": "localhost/busybox:1",
		"Cmd": ["sleep", "60"], "Labels": {"app": "demo"},
		"HostConfig": {"NetworkMode": "none", "Memory": 67108864, "NanoCpus": 200000000}}' | jq -r .Id)
	docker_api POST "/containers/$id/start" >/dev/null
	check "docker: name, image, labels, limits" "id = '$id'" \
		'.name == "kwhy-demo" and .runtime == "docker" and .image == "localhost/busybox:1" and .labels.app == "demo" and .limits.memory == 67108864 and .limits.cpu == 0.2'
	docker_api POST "/containers/$id/rename?name=kwhy-renamed" >/dev/null
	check "docker: another name, told by its events" "id = '$id'" '.name == "kwhy-renamed"'
	docker_api POST "/containers/$id/kill" >/dev/null
	check "docker: how it ended" "id = '$id'" '.exit_code == 137 and .last_ns != null'
}

podman_demo() {
	local id
	if ! command -v podman >/dev/null; then skip "podman" "not installed"; return; fi
	podman_start
	if [[ ! -S /run/podman/podman.sock ]]; then
		mkdir -p /run/podman
		(exec_podman system service -t 0 unix:///run/podman/podman.sock >"$W/podman.log" 2>&1 </dev/null) &
		PODMAN_PID=$!
		wait_for 10 curl -fs -m 2 --unix-socket /run/podman/podman.sock http://d/libpod/_ping
	fi
	id=$(podman_ run -d --network none --name kwhy-pdemo --label app=demo -m 64m localhost/busybox:1 sleep 20 2>"$W/err")
	[[ -n $id ]] || { not_ok "podman run" "$(head -c 300 "$W/err")"; return; }
	check "podman: name, image, limits from its storage" "id = '$id'" \
		'.name == "kwhy-pdemo" and .runtime == "podman" and .limits.memory == 67108864'
	check "podman: labels from its API" "id = '$id'" '.labels.app == "demo" and .image == "localhost/busybox:1"'
	end "$PODMAN_PID"
	PODMAN_PID=''
	rm -f /run/podman/podman.sock
	podman_ rm -ft0 kwhy-pdemo >/dev/null 2>&1
}

# What a short-lived container does: most end by themselves; in the others a process runs out of memory, is killed, or
# crashes.
fates=(quiet quiet quiet quiet oom kill crash)
declare -A fate_command=(
	[quiet]='sleep 0.2'
	[oom]='sh -c "x=aaaaaaaa; while :; do x=\$x\$x; done"; sleep 0.1'
	[kill]='sleep 9 & sleep 0.1; kill -KILL $!; wait; sleep 0.1'
	[crash]='sh -c "kill -SEGV \$\$"; sleep 0.2'
)

# Runs the bundles of standard input, four at a time.
run_bundles() { # runtime
	in_view hybrid bash -c 'while read -r dir; do "$0" --root "$1" run --bundle "$dir" "${dir##*/}" </dev/null >/dev/null 2>&1 &
		while (($(jobs -rp | wc -l) >= 4)); do wait -n; done; done; wait' "$1" "$W/roots"
}

collector_kib() { awk '/^VmRSS/ {print $2}' "/proc/$COLLECT_PID/status"; }

# all_named WHAT VIEW FATE CONDITION: as many containers of that fate have such an event of their full name as were run.
all_named() {
	local run named until=$((SECONDS + PATIENCE))
	run=$(find "$W" -maxdepth 1 -name "short-*-$3-*" | wc -l)
	while named=$(rows "SELECT count(DISTINCT container_name) AS n FROM $2 WHERE container_name LIKE 'short-%-$3-%' AND $4" | jq .n) && [[ $named != "$run" ]] && ((SECONDS < until)); do sleep 1; done
	if [[ $named == "$run" ]]; then ok "short-lived: $1 of all $run have their container's name"; else not_ok "short-lived: $1" "$named of $run"; fi
}

# Of short_lived().
all_known() { jq -e "length == $runtimes and all(. == $SHORT)" <<<"${known:-null}" >/dev/null && [[ $left == 0 ]]; }

# Many containers that live 200 ms, from two runtimes at once.
short_lived() {
	local i runtime pids='' known left before after open runtimes=0 until
	before=$(collector_kib)
	for runtime in runc crun; do
		command -v "$runtime" >/dev/null || continue
		runtimes=$((runtimes + 1))
		for ((i = 0; i < SHORT; i++)); do
			local fate=${fates[RANDOM % ${#fates[@]}]} memory=0
			[[ $fate == oom ]] && memory=$((16 << 20))
			bundle "$W/short-$runtime-$fate-$i" "/$TOP/short-$runtime-$fate-$i" "${fate_command[$fate]}" $memory
		done
	done
	for runtime in runc crun; do
		compgen -G "$W/short-$runtime-*" >/dev/null || continue
		find "$W" -maxdepth 1 -name "short-$runtime-*" | run_bundles "$runtime" &
		pids+=" $!"
	done
	for i in $pids; do wait "$i"; done
	until=$((SECONDS + PATIENCE))
	while known=$(rows "SELECT runtime, count(*) AS n FROM v_container WHERE id LIKE 'short-%' AND name = id AND runtime = substr(id, 7, 4) AND last_ns IS NOT NULL GROUP BY 1" | jq -sc 'map({(.runtime): .n}) | add')
		left=$(rows "SELECT count(*) AS n FROM v_container WHERE cgroup LIKE '/$TOP/short-%' AND (last_ns IS NULL OR id IS NULL)" | jq .n)
		! all_known && ((SECONDS < until)); do sleep 1; done
	if all_known; then
		ok "short-lived: all $SHORT of each runtime are known, none is left ($known)"
	else
		not_ok "short-lived: all $SHORT of each runtime are known" "known $known, $left without a name or an end"
	fi
	all_named "OOM kills" v_oom oom true
	all_named "kills" v_signal kill 'signal = 9'
	all_named "deaths by signal" v_exit kill 'signal = 9'
	all_named "crashes" v_exit crash 'signal = 11'
	after=$(collector_kib)
	open=$(find "/proc/$COLLECT_PID/fd" -lname '*/short-*' | wc -l)
	echo "# collector: $before KiB before, $after KiB after, $open files of theirs open"
	# An identity is kept for ten minutes after its end: some kilobytes each.
	if ((open == 0 && after < before + 8192 + 2 * SHORT * 16)); then
		ok "short-lived: the collector kept nothing of them but their names"
	else
		not_ok "short-lived: the collector kept nothing of them but their names" "$open files, from $before KiB to $after KiB"
	fi
}

# What was known stays known when runtime and collector have gone.
restart() {
	local before after
	[[ -n $CONTAINERD_PID ]] || { skip "names outlive the runtime" "needs a containerd of its own"; return; }
	before=$(rows "SELECT name, runtime, image, labels FROM v_container WHERE name = '$CTR_ID'")
	containerd_clean
	end "$COLLECT_PID"
	end "$CONTAINERD_PID"
	CONTAINERD_PID=
	rm -f "$CONTAINERD_SOCKET"
	collect_start
	sleep 2
	after=$(rows "SELECT name, runtime, image, labels FROM v_container WHERE name = '$CTR_ID'")
	if [[ -n $before && $before == "$after" ]]; then ok "names outlive the runtime and a restart"; else not_ok "names outlive the runtime and a restart" "before $before, after $after"; fi
}

make_rootfs
if ! collect_start; then
	not_ok "the collector starts" "$(tail -n 3 "$W/collect.log")"
	exit 1
fi
# A host with very many cgroups: bounded memory, every one known; how long the start took is shown.
many() {
	local count=10000 root=/sys/fs/cgroup began took cpu rss known
	[[ -d $root/unified ]] && root=$root/unified
	mkdir -p "$root/$TOP" && (cd "$root/$TOP" && seq -f 'many%.0f' 1 $count | xargs mkdir)
	end "$COLLECT_PID"
	STATE_DIR=$W/many
	began=$(now_ns)
	collect_start
	took=$((($(now_ns) - began) / 1000000))
	# Other work on the machine lengthens the wall time, hardly this: clock ticks of 10 ms, user and system.
	cpu=$(awk '{print ($14 + $15) * 10}' "/proc/$COLLECT_PID/stat")
	sleep 2
	rss=$(awk '/^VmRSS/ {print $2}' "/proc/$COLLECT_PID/status")
	known=$(rows "SELECT count(*) AS n FROM v_container WHERE cgroup LIKE '/$TOP/many%'" | jq .n)
	echo "# $count cgroups: first tick stored after $took ms, for $cpu ms of CPU time; $((rss / 1024)) MiB resident"
	if [[ $known == "$count" ]]; then ok "many: all are known"; else not_ok "many: all are known" "$known of $count"; fi
	if ((rss < 204800)); then ok "many: memory stays below 200 MiB"; else not_ok "many: memory stays below 200 MiB" "$rss KiB"; fi
	end "$COLLECT_PID"
	STATE_DIR=$W/state
	remove_cgroups
	collect_start
}

views() {
	local runtime view
	for runtime in runc crun; do
		if ! command -v "$runtime" >/dev/null; then skip "$runtime" "not installed"; continue; fi
		for view in hybrid v1 v2; do
			if is_hybrid; then by_hand "$view" "$runtime"; else skip "$runtime, $view" "the host has no v1 hierarchies to make the view from"; fi
		done
	done
}
for part in "${@:-views nested short_lived ctr_demo pod docker_demo podman_demo restart many}"; do
	for one in $part; do "$one"; done
done
rows 'SELECT name, max(asked) AS asked, max(answered) AS answered, max(malformed) AS malformed, max(failed) AS failed, max(slowest_ns) / 1000000 AS slowest_ms, max(why) AS why FROM v_source GROUP BY 1' | sed 's/^/# /'
