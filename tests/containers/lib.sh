# SPDX-License-Identifier: Apache-2.0
#
# Sourced by run.sh: bundles and images from busybox, without a registry; runtimes started by hand, as on hosts without
# systemd; and cleaning up after them.  W is a folder of the test's own.

# Daemons here must not keep a lock of whoever runs the tests: descriptors above 2 are closed.
for fd in /proc/self/fd/*; do
	fd=${fd##*/}
	((fd > 2 && fd != 255)) && eval "exec $fd>&-"
done

TOP=kwhytest # first part of the cgroups of bundles that are run by hand

make_rootfs() {
	mkdir -p "$W/out" "$W/rootfs"/{bin,etc,proc,sys,dev,tmp,root,var/run,out,vol}
	cp /bin/busybox "$W/rootfs/bin/busybox"
	"$W/rootfs/bin/busybox" --install -s "$W/rootfs/bin" 2>/dev/null
	local applet
	for applet in sh sleep cat true; do ln -sf busybox "$W/rootfs/bin/$applet"; done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$W/rootfs/etc/passwd"
	tar -C "$W/rootfs" -cf "$W/busybox.tar" .
}

# What a container of that name does first of all: it leaves a file, whose time tells when that was.
first_act() { echo ": >/out/$1"; }

# bundle DIR CGROUP COMMAND [MEMORY]: an OCI bundle; MEMORY (bytes) gives it limits, of CPU and tasks as well.  VOLUME is
# a folder that it finds at /vol.
bundle() {
	mkdir -p "$1"
	jq -n --arg root "$W/rootfs" --arg cgroup "$2" --arg command "$3" --argjson memory "${4:-0}" \
		--arg out "$W/out" --arg volume "${VOLUME:-}" '{
		ociVersion: "1.0.2",
		process: {user: {uid: 0, gid: 0}, args: ["/bin/sh", "-c", $command], cwd: "/", env: ["PATH=/bin"]},
		root: {path: $root, readonly: true}, hostname: "test",
		annotations: {"org.example.app": "demo"},
		mounts: ([{destination: "/proc", type: "proc", source: "proc"},
			{destination: "/out", type: "bind", source: $out, options: ["bind", "rw"]}] +
			if $volume == "" then [] else [{destination: "/vol", type: "bind", source: $volume,
				options: ["bind", "rw"]}] end),
		linux: ({cgroupsPath: $cgroup,
			namespaces: [{type: "pid"}, {type: "ipc"}, {type: "uts"}, {type: "mount"}, {type: "network"}]} +
			if $memory == 0 then {} else {resources: {memory: {limit: $memory},
				cpu: {quota: 20000, period: 100000}, pids: {limit: 64}}} end)
	}' >"$1/config.json"
}

# image NAME FILE: a docker-archive, which containerd and Podman import as well.
image() {
	local dir layer config
	dir=$(mktemp -d "$W/image.XXXX")
	layer=$(sha256sum "$W/busybox.tar" | cut -d' ' -f1)
	mkdir "$dir/$layer"
	cp "$W/busybox.tar" "$dir/$layer/layer.tar"
	jq -n --arg d "sha256:$layer" --arg arch "$(dpkg --print-architecture)" '{architecture: $arch, os: "linux",
		config: {Cmd: ["/bin/sleep", "3600"], Env: ["PATH=/bin"]}, rootfs: {type: "layers", diff_ids: [$d]},
		history: [{created: "2020-01-01T00:00:00Z"}]}' >"$dir/config"
	config=$(sha256sum "$dir/config" | cut -d' ' -f1).json
	mv "$dir/config" "$dir/$config"
	jq -n --arg c "$config" --arg n "$1" --arg l "$layer/layer.tar" '[{Config: $c, RepoTags: [$n], Layers: [$l]}]' \
		>"$dir/manifest.json"
	tar -C "$dir" -cf "$2" manifest.json "$config" "$layer"
	rm -rf "$dir"
}

# in_view VIEW COMMAND...: runs it where the host's cgroups look like those of another kind of host, in a mount
# namespace of its own.  host: as they are; hybrid: v1 controllers and an empty v2 tree; v1; v2.
in_view() { (exec_in_view "$@"); }

# In place of the shell, so that the process id of a job is the command's.
exec_in_view() {
	local view=$1
	shift
	[[ $view != host ]] || exec "$@"
	# shellcheck disable=SC2016
	VIEW=$view EMPTY=$W/empty exec unshare -m --propagation private bash -c '
		case $VIEW in
		hybrid)
			# crun refuses the layout unless v2 offers no controller
			: >"$EMPTY"
			[ -e /sys/fs/cgroup/unified ] && mount --bind "$EMPTY" /sys/fs/cgroup/unified/cgroup.controllers ;;
		v1) umount /sys/fs/cgroup/unified ;;
		v2)
			for m in $(awk "\$5 ~ \"^/sys/fs/cgroup/\" {print \$5}" /proc/self/mountinfo); do umount "$m"; done
			umount /sys/fs/cgroup
			mount -t cgroup2 none /sys/fs/cgroup ;;
		esac && exec "$@"' bash "$@"
}

# Whether the host itself has v1 hierarchies, so that the other views can be made from it.
is_hybrid() { [[ -d /sys/fs/cgroup/unified && -d /sys/fs/cgroup/memory ]]; }

CONTAINERD_SOCKET=/run/containerd/containerd.sock
DOCKER_SOCKET=/var/run/docker.sock

# containerd_start [VIEW]
containerd_start() {
	[[ -S $CONTAINERD_SOCKET ]] && ctr version >/dev/null 2>&1 && return 1
	mkdir -p "$W/containerd/cni"
	cat >"$W/containerd/config.toml" <<-T
		version = 2
		oom_score = 0
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    conf_dir = "$W/containerd/cni"
	T
	echo '{"cniVersion": "0.4.0", "name": "lo", "plugins": [{"type": "loopback"}]}' >"$W/containerd/cni/10.conflist"
	exec_in_view "${1:-host}" setsid containerd -c "$W/containerd/config.toml" --root "$W/containerd/root" \
		>"$W/containerd/log" 2>&1 </dev/null &
	CONTAINERD_PID=$!
	wait_for 20 ctr version
}

stop_runtimes() {
	local id
	[[ -n $DOCKER_PID ]] && for id in $(docker_api GET '/containers/json?all=1' 2>/dev/null | jq -r '.[].Id'); do
		docker_api DELETE "/containers/$id?force=1" >/dev/null
	done
	[[ -n $CONTAINERD_PID ]] && stop_pods && containerd_clean
	end "$DOCKER_PID"
	end "$CONTAINERD_PID"
	[[ -n $CONTAINERD_PID ]] && rm -f "$CONTAINERD_SOCKET"
	DOCKER_PID='' CONTAINERD_PID=''
}

# Containers and their shims outlive containerd: they go first.
containerd_clean() {
	local id
	for id in $(ctr containers ls -q 2>/dev/null); do
		ctr task kill -s KILL "$id" 2>/dev/null
		sleep 0.3
		ctr task rm -f "$id" >/dev/null 2>&1
		ctr containers rm "$id"
	done
}

# docker_start [VIEW]
docker_start() {
	curl -s -m 2 --unix-socket "$DOCKER_SOCKET" http://d/_ping >/dev/null 2>&1 && return 1
	mkdir -p "$W/docker"
	exec_in_view "${1:-host}" setsid dockerd -H "unix://$DOCKER_SOCKET" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
		--bridge=none --oom-score-adjust=0 --exec-opt native.cgroupdriver=cgroupfs -p "$W/docker/pid" \
		${CONTAINERD_PID:+--containerd "$CONTAINERD_SOCKET"} >"$W/docker/log" 2>&1 </dev/null &
	DOCKER_PID=$!
	wait_for 30 curl -fs -m 2 --unix-socket "$DOCKER_SOCKET" http://d/_ping
}

docker_api() { # METHOD PATH [curl arguments...]
	curl -s -m 20 --unix-socket "$DOCKER_SOCKET" -X "$1" "http://d$2" "${@:3}"
}

exec_podman() {
	CONTAINERS_CONF=$W/podman.conf exec_in_view "${VIEW_OF_PODMAN:-host}" podman --cgroup-manager=cgroupfs --log-level=error \
		--root "$W/podman/root" --runroot "$W/podman/run" "$@"
}

podman_() { (exec_podman "$@"); }

podman_start() {
	printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\npids_limit = 0\n[engine]\nruntime = "runc"\n' \
		>"$W/podman.conf"
	podman_ import "$W/busybox.tar" localhost/busybox:1 >/dev/null 2>&1
}

import_images() {
	local name
	image localhost/busybox:1 "$W/busybox.img"
	image localhost/pause:1 "$W/pause.img"
	ctr images import "$W/busybox.img" >/dev/null 2>&1
	for name in busybox pause; do ctr -n k8s.io images import "$W/$name.img" >/dev/null 2>&1; done
}

# Each starts a container of that name that lives for a minute, and prints the runtime's id of it.  LIMITS: not empty
# where the host has controllers for them.

run_ctr() {
	local limits=(--memory-limit 67108864)
	[[ -n $LIMITS ]] || limits=(--cpu-shares 0)
	ctr run -d --label app=demo "${limits[@]}" \
		--mount "type=bind,src=$W/out,dst=/out,options=rbind:rw" localhost/busybox:1 "$1" \
		/bin/sh -c "$(first_act "$1"); exec sleep 60" >/dev/null 2>"$W/err" </dev/null && echo "$1"
}

run_podman() {
	podman_ run -d --network none --name "$1" --label app=demo ${LIMITS:+-m 64m} -v "$W/out:/out" localhost/busybox:1 \
		/bin/sh -c "$(first_act "$1"); exec sleep 60" 2>"$W/err" </dev/null
}

run_docker() { # name, what it does
	local id
	id=$(docker_api POST "/containers/create?name=$1" -H 'content-type: application/json' -d "$(jq -n --arg act "$(first_act "$1")" \
		--arg work "${2:-exec sleep 60}" --arg out "$W/out" --arg limits "${LIMITS:-}" '{Image: "localhost/busybox:1", Cmd: ["sh", "-c", "\($act); \($work)"],
		Labels: {app: "demo", odd: "<b>bold</b>\u001b[31m"}, HostConfig: ({NetworkMode: "none", Binds: ["\($out):/out"]} +
		if $limits == "" then {} else {Memory: 67108864, NanoCpus: 200000000} end)}')" | jq -r .Id)
	docker_api POST "/containers/$id/start" >/dev/null
	echo "$id"
}

# A pod with one container.
run_pod() {
	local uid sandbox container
	uid=$(cat /proc/sys/kernel/random/uuid)
	sandbox=$("$CRI" pod "$1" shop "$uid" | cri_call RunPodSandbox | "$CRI" answer)
	container=$("$CRI" container "$sandbox" nginx shop "$uid" "$1" "$(first_act "$1"); exec sleep 60" "$W/out" \
		${LIMITS:+limits} |
		cri_call CreateContainer | "$CRI" answer)
	"$CRI" id "$container" | cri_call StartContainer >/dev/null
	echo "$sandbox" >>"$W/sandboxes"
	echo "$container"
}

stop_pods() {
	local sandbox call
	[[ -e $W/sandboxes ]] || return 0
	while read -r sandbox; do
		for call in StopPodSandbox RemovePodSandbox; do "$CRI" id "$sandbox" | cri_call "$call" >/dev/null; done
	done <"$W/sandboxes"
	rm "$W/sandboxes"
}

cri_call() { # METHOD, request on standard input
	curl -sS -m 20 --http2-prior-knowledge --unix-socket "$CONTAINERD_SOCKET" -H 'content-type: application/grpc' \
		-H 'te: trailers' --data-binary @- "http://localhost/runtime.v1.RuntimeService/$1"
}

# Ends a process of ours and waits for it.
end() { # pid
	[[ -n ${1:-} ]] || return 0
	kill -TERM "$1" 2>/dev/null
	wait_for 10 eval "! kill -0 $1 2>/dev/null" || kill -KILL "$1" 2>/dev/null
}

# Only what is empty goes: rmdir refuses the rest.
remove_cgroups() {
	local root name
	for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
		for name in "$TOP" kubepods docker default libpod_parent; do
			[[ -d $root/$name ]] && find "$root/$name" -depth -type d -exec rmdir {} \; 2>/dev/null
		done
	done
	return 0
}
