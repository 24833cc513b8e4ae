#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Real container runtimes: every container is known by its name, runtime, pod, image and limits, early enough, and
# after its death.  A kubelet is not packaged: its recorded list of pods, given by a small server, stands in for it here and
# in tests/unit/test_metadata_api.c.
# run.sh [PART...]: only those parts, in that order.  SHORT=N: how many short-lived containers of each runtime (20).
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh
. tests/containers/lib.sh
. tests/containers/objects.sh
SHORT=${SHORT:-20}
CRI=$BUILD/tests/containers/cri

[[ $(id -u) -eq 0 ]] || { skip "containers" "needs root"; exit 0; }
for tool in jq curl busybox unshare; do
	command -v "$tool" >/dev/null || { skip "containers" "needs $tool"; exit 0; }
done

CTR_ID=kwhy-ctr-$RANDOM
KUBELET_PORT=$(free_port)
LIMITS=yes
W=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-ct.XXXX")
STATE_DIR=$W/state
CONTAINERD_PID='' DOCKER_PID='' COLLECT_PID='' PODMAN_PID='' KUBELET_PID=''

cleanup() {
	local id
	stop_runtimes
	end "$PODMAN_PID"
	end "$KUBELET_PID"
	[[ -d $W/podman ]] && podman_ rm -fat0 >/dev/null 2>&1
	for id in "$W"/runs/*; do
		[[ -d $id ]] && "$(cat "$id/runtime")" --root "$W/roots" delete -f "${id##*/}" >/dev/null 2>&1
	done
	end "$COLLECT_PID"
	remove_cgroups
	for id in $(awk -v w="$W" 'index($5, w) == 1 {print $5}' /proc/self/mountinfo | sort -r); do umount "$id"; done
	rm -rf "$W"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

has_ticks() { [[ $("$KWHY" query --csv --state "$STATE_DIR" 'SELECT count(*) > 0 FROM v_tick' 2>/dev/null | tail -n 1 | tr -d '\r') == 1 ]]; }

collect_start() {
	"$KWHY" collect --state "$STATE_DIR" --set probe.block.threshold=100us \
		--set "metadata.kubelet=http://127.0.0.1:$KUBELET_PORT" >>"$W/collect.log" 2>&1 &
	COLLECT_PID=$!
	wait_for 120 has_ticks
}

rows() { # SQL
	"$KWHY" query --json --state "$STATE_DIR" "$1" 2>"$W/query.err"
}

# Bounds everything that has to come, on a machine that others use too.  Only prompt() judges how long it took.
PATIENCE=${PATIENCE:-120}

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

# How many ms after a container began to run one of these sources had told of it (negative: before); else why there is no
# number.  It begins with a file in $W/out that has its name.
lateness() { # id, name, sources
	local known='' first until
	wait_for 20 test -e "$W/out/$2" || { echo "it never ran: $(head -c 200 "$W/err" 2>/dev/null)"; return; }
	first=$(stat -c %.9Y "$W/out/$2" | tr -d .)
	for ((until = SECONDS + PATIENCE; SECONDS < until; )); do
		known=$(rows "SELECT min(ts_ns) AS ts_ns FROM v_identity WHERE source IN ($3) AND container IN
			(SELECT container FROM v_container WHERE id = '$1')" | jq -r '.ts_ns // empty')
		[[ -n $known ]] && break
		sleep 0.3
	done
	if [[ -n $known ]]; then echo $(((known - first + 999999) / 1000000)); else echo "sources $3 never told of it"; fi
}

# prompt WHAT MAKE SOURCES MS [SOURCES MS]: of a new container (MAKE NAME starts one and prints its id) each of these
# groups of sources told at most so many ms after its first instruction.  A machine whose CPUs are away proves nothing: up
# to six containers, then it counts only if the hypervisor left the CPUs alone for one of them.
prompt() {
	local what=$1 make=$2 try name id late stolen least=100 i good times
	local -a ticks limits=("${@:3}")
	for ((try = 0; try < 6; try++)); do
		name=prompt-$RANDOM$try good=yes times=
		read -ra ticks < <(cpu_ticks)
		id=$("$make" "$name")
		wait_for 20 test -e "$W/out/$name"
		sleep 0.2
		stolen=$(stolen_percent "${ticks[@]}")
		for ((i = 0; i < ${#limits[@]}; i += 2)); do
			late=$(lateness "$id" "$name" "${limits[i]}")
			times+=" ${limits[i]}: $late ms (at most ${limits[i + 1]}),"
			[[ $late =~ ^-?[0-9]+$ ]] && ((late <= limits[i + 1])) || good=
		done
		echo "# $what: told after the first instruction by sources$times $stolen % of the CPUs stolen"
		if [[ -n $good ]]; then ok "$what"; return; fi
		((stolen < least)) && least=$stolen
	done
	if ((least > STOLEN_PERCENT_MAX)); then skip "$what" "the hypervisor took at least $least % of the CPUs each time"
	else not_ok "$what" "not in one of six containers"; fi
}

# run_by_hand NAME: by RUNTIME in VIEW, with MEMORY.
run_by_hand() {
	bundle "$W/bundle-$1" "/$TOP/$1" "$(first_act "$1"); sleep 0.5" "$MEMORY"
	mkdir -p "$W/runs/$1"
	echo "$RUNTIME" >"$W/runs/$1/runtime"
	in_view "$VIEW" "$RUNTIME" --root "$W/roots" run --bundle "$W/bundle-$1" "$1" 2>"$W/err" >/dev/null </dev/null
	echo "$1"
}

# by_hand VIEW RUNTIME
by_hand() {
	local VIEW=$1 RUNTIME=$2 MEMORY=67108864 id=$2-$1-$RANDOM
	[[ $1 == v2 ]] && MEMORY=0 # a hybrid host has no controllers there
	run_by_hand "$id" >/dev/null
	[[ -e $W/out/$id ]] || { not_ok "$2 runs in the view $1" "$(head -c 300 "$W/err")"; return; }
	check "$2, $1: name, runtime, annotations" "id = '$id'" \
		".name == \"$id\" and .runtime == \"$2\" and .annotations[\"org.example.app\"] == \"demo\" and .kind == \"container\" and .last_ns != null and .root_pid > 0"
	((MEMORY)) && check "$2, $1: limits" "id = '$id'" '.limits.memory == 67108864 and .limits.pids == 64'
	prompt "$2, $1: known before its first instruction" run_by_hand 4 0
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
	import_images
	ctr run -d --label app=demo --memory-limit 67108864 localhost/busybox:1 $CTR_ID /bin/sleep 20 2>"$W/err" ||
		{ not_ok "containerd: ctr run" "$(head -c 300 "$W/err")"; return; }
	check "containerd by ctr: name, namespace, limits from the bundle" "id = '$CTR_ID'" \
		".name == \"$CTR_ID\" and .runtime == \"containerd\" and .namespace == \"default\" and .limits.memory == 67108864"
	check "containerd by ctr: labels and image from its API" "id = '$CTR_ID'" \
		'.labels.app == "demo" and .image == "localhost/busybox:1" and (.facts.labels[0] == "containerd")'
	prompt "containerd by ctr: named before its first instruction, labelled at once" run_ctr 4 0 7 50
}

pod() {
	local uid sandbox container
	[[ -n $CONTAINERD_PID ]] || { skip "pod" "needs a containerd of its own"; return; }
	uid=$(cat /proc/sys/kernel/random/uuid)
	sandbox=$("$CRI" pod web-0 shop "$uid" | cri_call RunPodSandbox | "$CRI" answer)
	[[ -n $sandbox ]] || { not_ok "pod: sandbox starts" "$(tail -n 2 "$W/containerd/log")"; return; }
	container=$("$CRI" container "$sandbox" nginx shop "$uid" web-0 'sleep 2; exit 7' "$W/out" limits | cri_call CreateContainer | "$CRI" answer)
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
	prompt "pod: named before its first instruction, labelled at once" run_pod 4 0 8 50
	stop_pods
}

# The recorded list with a real container's id in it, on the port where a read-only kubelet would be.
kubelet() {
	local id where
	[[ -n $CONTAINERD_PID ]] || { skip "kubelet" "needs a containerd of its own"; return; }
	busybox --list | grep -qx httpd || { skip "kubelet" "busybox has no httpd here"; return; }
	mkdir "$W/kubelet"
	busybox httpd -f -p "127.0.0.1:$KUBELET_PORT" -h "$W/kubelet" >/dev/null 2>&1 &
	KUBELET_PID=$!
	id=$(run_pod web-cri)
	where="id = '$id'"
	sed "s/cefdba1130303f6a126f1a8a0f604ee012e0dfe47eeeadba94aab266a09828df/$id/g" \
		tests/containers/fixtures/kubelet/pods.json >"$W/pods" && mv "$W/pods" "$W/kubelet/pods"
	check "kubelet (its recorded list): pod, requests and labels as it has them" "$where" \
		'.pod == "web-node1" and .requests.memory == 33554432 and .labels.tier == "front" and .facts.pod[0] == "kubelet"'
	seen "kubelet (its recorded list): what was believed before stands in the history" "SELECT count(*) = 2 AS holds FROM (SELECT DISTINCT source, value FROM v_fact WHERE field = 'pod' AND (source, value) IN (VALUES ('cri', 'web-cri'), ('kubelet', 'web-node1')) AND container IN (SELECT container FROM v_container WHERE $where))" true
	end "$KUBELET_PID"
	KUBELET_PID=
	stop_pods
	check "kubelet (its recorded list): what it said outlives it" "$where" '.pod == "web-node1" and .last_ns != null'
}

# What people see of a container that works: its place, state, limits, processes; whatever is in its labels stays data.
listed() {
	local id shown='' text until=$((SECONDS + PATIENCE)) found=''
	id=$(run_docker kwhy-listed 'while :; do :; done')
	while [[ -z $found ]] && ((SECONDS < until)); do
		sleep 0.5
		shown=$("$KWHY" containers --json --at "$(date -Ins -d '-1 second')" --state "$STATE_DIR" 2>"$W/query.err" | jq -c "select(.id == \"$id\")")
		jq -e '.state == "running" and .limits.cpu == 0.2 and .limits.memory == 67108864 and .usage.memory_limit_bytes == 67108864
			and (.processes | any(.comm == "sh" and .pid > 0)) and .pressure.span_ns != null and .netns > 0 and .root_pid > 0
			and .labels.odd == "<b>bold</b>\u001b[31m"' <<<"$shown" >/dev/null 2>&1 && found=yes
	done
	if [[ -n $found ]]; then ok "listed at a moment: state, limits in force, use, pressure, processes"
	else not_ok "listed at a moment: state, limits in force, use, pressure, processes" "$(jq -c '{state, limits, usage, pressure, processes, labels}' <<<"${shown:-{\}}")"; fi
	found=
	while [[ -z $found ]] && ((SECONDS < until)); do
		text=$("$KWHY" containers --state "$STATE_DIR" 2>&1)
		grep -A 3 kwhy-listed <<<"$text" | grep -qE '^ +sh +process' && found=yes
	done
	if [[ -n $found ]] && ! grep -q $'\e' <<<"$text"; then ok "listed as a tree down to processes"
	else not_ok "listed as a tree down to processes" "$(grep -A 3 kwhy-listed <<<"$text")"; fi
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
	prompt "docker: named before its first instruction, by its API at once" run_docker 4,6 0 9 50
	listed
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
	prompt "podman: named before its first instruction, by its API at once" run_podman 4,5 0 10 50
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

# all_named WHAT VIEW FATE CONDITION: as many containers of that fate have such an event of their full name as have run.
all_named() {
	local run named until=$((SECONDS + PATIENCE))
	run=$(find "$W/out" -name "short-*-$3-*" | wc -l) # a runtime may fail to start one, and ends it itself then
	while named=$(rows "SELECT count(DISTINCT container_name) AS n FROM $2 WHERE container_name LIKE 'short-%-$3-%' AND coalesce(comm, '') NOT LIKE 'runc:%' AND $4" | jq .n) && [[ $named != "$run" ]] && ((SECONDS < until)); do sleep 1; done
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
			bundle "$W/short-$runtime-$fate-$i" "/$TOP/short-$runtime-$fate-$i" \
				"$(first_act "short-$runtime-$fate-$i"); ${fate_command[$fate]}" $memory
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
	stop_runtimes
	end "$COLLECT_PID"
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
# Starts a collector with an empty store.  Milliseconds until its first tick is stored, and of CPU time meanwhile.
start_takes() { # a number
	local began
	end "$COLLECT_PID"
	STATE_DIR=$W/many.$1
	began=$(now_ns)
	collect_start
	echo $((($(now_ns) - began) / 1000000)) "$(awk '{print ($14 + $15) * 10}' "/proc/$COLLECT_PID/stat")"
}

# A host with very many cgroups: what they add to the start, bounded memory, every one known.  Most of a start is the
# kernel's check of the programs, which does not depend on them; other work on the machine lengthens the wall time, hardly
# the CPU time.
many() {
	local count=10000 root=/sys/fs/cgroup took cpu before try rss known
	[[ -d $root/unified ]] && root=$root/unified
	for ((try = 0; try < 3; try++)); do
		start_takes $try.few >"$W/took"
		read -r _ before <"$W/took"
		mkdir -p "$root/$TOP" && make_many "$root/$TOP" $count
		start_takes $try.many >"$W/took"
		read -r took cpu <"$W/took"
		echo "# $count cgroups: first tick stored after $took ms, for $cpu ms of CPU time, $before ms without them"
		((cpu - before < 1000)) && break
		((try < 2)) && remove_many "$root/$TOP" $count
	done
	if ((cpu - before < 1000)); then ok "many: they add less than a second of CPU time to the start"
	else not_ok "many: they add less than a second of CPU time to the start" "$cpu ms, $before ms without them"; fi
	sleep 2
	rss=$(awk '/^VmRSS/ {print $2}' "/proc/$COLLECT_PID/status")
	known=$(rows "SELECT count(*) AS n FROM v_container WHERE cgroup LIKE '/$TOP/many%'" | jq .n)
	echo "# $count cgroups: $((rss / 1024)) MiB resident"
	if [[ $known == "$count" ]]; then ok "many: all are known"; else not_ok "many: all are known" "$known of $count"; fi
	if ((rss < 204800)); then ok "many: memory stays below 200 MiB"; else not_ok "many: memory stays below 200 MiB" "$rss KiB"; fi
	end "$COLLECT_PID"
	STATE_DIR=$W/state
	remove_cgroups
	collect_start
}

make_many() { (cd "$1" && seq -f 'many%.0f' 1 "$2" | xargs mkdir); }
remove_many() { (cd "$1" && seq -f 'many%.0f' 1 "$2" | xargs rmdir); }

# The other runtimes where a host has other hierarchies than this one.
other_views() {
	local VIEW name
	is_hybrid || { skip "other views" "the host has no v1 hierarchies to make them from"; return; }
	stop_runtimes
	for VIEW in v1 v2; do
		local LIMITS=yes limits='.limits.memory == 67108864' VIEW_OF_PODMAN=$VIEW
		[[ $VIEW == v2 ]] && LIMITS='' limits=true # a hybrid host has no controllers there
		name=$VIEW-$RANDOM
		command -v containerd >/dev/null && containerd_start "$VIEW" && { import_images; other_view_containerd; }
		command -v dockerd >/dev/null && docker_start "$VIEW" && other_view_docker
		if command -v podman >/dev/null; then
			podman_start
			check "podman, $VIEW: name, image, limits" "id = '$(run_podman "podman-$name")'" \
				".name == \"podman-$name\" and .runtime == \"podman\" and .image == \"localhost/busybox:1\" and $limits"
			podman_ rm -fat0 >/dev/null 2>&1
		fi
		stop_runtimes
	done
}

# Of other_views().
other_view_containerd() {
	check "containerd by ctr, $VIEW: name, namespace, labels, limits" "id = '$(run_ctr "ctr-$name")'" \
		".name == \"ctr-$name\" and .runtime == \"containerd\" and .namespace == \"default\" and .labels.app == \"demo\" and $limits"
	if [[ -z $LIMITS ]]; then skip "pod, $VIEW" "containerd gives each pod CPU shares, and a hybrid host's v2 tree has no controllers"; return; fi
	check "pod, $VIEW: name, pod, namespace, labels, limits" "id = '$(run_pod "pod-$name")'" \
		".name == \"nginx\" and .pod == \"pod-$name\" and .namespace == \"shop\" and .labels.app == \"demo\" and $limits"
}

other_view_docker() {
	docker_api POST /images/load -H 'content-type: application/x-tar' --data-binary @"$W/busybox.img" >/dev/null
	check "docker, $VIEW: name, image, labels, limits" "id = '$(run_docker "docker-$name")'" \
		".name == \"docker-$name\" and .runtime == \"docker\" and .image == \"localhost/busybox:1\" and .labels.app == \"demo\" and $limits"
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
for part in "${@:-views nested renamed same_ids objects short_lived ctr_demo pod kubelet docker_demo podman_demo restart other_views many}"; do
	for one in $part; do "$one"; done
done
rows 'SELECT name, max(asked) AS asked, max(answered) AS answered, max(malformed) AS malformed, max(failed) AS failed, max(slowest_ns) / 1000000 AS slowest_ms, max(why) AS why FROM v_source GROUP BY 1' | sed 's/^/# /'
