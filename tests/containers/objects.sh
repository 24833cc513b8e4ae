# SPDX-License-Identifier: Apache-2.0
#
# Sourced by run.sh: what the kernel does for no task in particular, and cgroups whose names or numbers change.

# seen WHAT SQL COMMAND...: does that until the query has a row that says 1.
seen() {
	local what=$1 sql=$2 got='' until=$((SECONDS + PATIENCE))
	shift 2
	while ((SECONDS < until)); do
		"$@" >/dev/null 2>&1
		got=$(rows "$sql" | jq -r .holds)
		if [[ $got == 1 ]]; then ok "$what"; return; fi
		sleep 0.5
	done
	not_ok "$what" "never seen; $(tail -n 1 "$W/query.err")"
}

# A network of its own to the container: an address of which nobody answers, though it is known how to reach it.
join_container() { # pid
	local enter=(nsenter -t "$1" -n)
	ip link add kwyt0 type veth peer name kwyt1 && ip link set kwyt1 netns "$1" || return 1
	ip addr add 198.18.77.1/28 dev kwyt0
	ip link set kwyt0 up
	"${enter[@]}" ip addr add 198.18.77.2/28 dev kwyt1
	"${enter[@]}" ip link set kwyt1 up
	"${enter[@]}" ip neigh add 198.18.77.9 lladdr 02:00:00:00:00:09 dev kwyt1
}

# A disk of the container's own, on memory: what else happens on this machine's disks does not count.
make_volume() {
	mkdir -p "$W/disk" "$W/vol"
	mount -t tmpfs -o size=128m none "$W/disk" && truncate -s 96M "$W/disk/image" && mkfs.ext4 -qF "$W/disk/image" &&
		mount -o loop "$W/disk/image" "$W/vol" && head -c 8M /dev/urandom >"$W/vol/big"
}

own_loop() { findmnt -no SOURCE "$W/vol"; }

drop_its_pages() { dd if="$W/vol/big" iflag=nocache count=0; }

connect_to_nobody() { bash -c 'exec 3<>/dev/tcp/198.18.77.2/4001'; }

# Memory cgroup, block cgroup, task group, socket, network namespace, device and mount of one container by runc.
objects() {
	local id=kwhy-objects-$RANDOM pid tool where work
	is_hybrid || { skip "objects that are no tasks" "the host has no v1 hierarchies"; return; }
	for tool in runc mkfs.ext4 nsenter ip findmnt; do
		command -v "$tool" >/dev/null || { skip "objects that are no tasks" "needs $tool"; return; }
	done
	make_volume || { skip "objects that are no tasks" "no loop device, ext4 or tmpfs to be had"; return; }
	# It computes; reads a file; writes slowly, and waits until that is on the disk; calls somebody who does not answer.
	work='while :; do :; done & while :; do cat /vol/big >/dev/null; sleep 0.3; done &
		while :; do dd if=/dev/zero of=/vol/new bs=65536 count=16 conv=fsync 2>/dev/null; rm -f /vol/new; done &
		while :; do nc -w 4 198.18.77.9 4000; sleep 0.5; done & exec sleep 600'
	VOLUME=$W/vol bundle "$W/bundle-$id" "/$TOP/$id" "$(first_act "$id"); $work" 67108864
	mkdir -p "$W/runs/$id"
	echo runc >"$W/runs/$id/runtime"
	runc --root "$W/roots" run -d --bundle "$W/bundle-$id" "$id" >"$W/err" 2>&1 </dev/null
	pid=$(runc --root "$W/roots" state "$id" | jq -r .pid)
	if ! join_container "$pid" 2>>"$W/err"; then not_ok "objects: the container starts" "$(head -c 300 "$W/err")"; return; fi
	echo "$(stat -c %Hr:%Lr "$(own_loop)") 4194304" >"/sys/fs/cgroup/blkio/$TOP/$id/blkio.throttle.write_bps_device"

	where="container IN (SELECT container FROM v_container WHERE id = '$id')"
	seen "memory cgroup: page cache that another one threw out is the container's" \
		"SELECT count(*) > 0 AS holds FROM v_evict WHERE $where AND peer IS NOT container" drop_its_pages
	seen "block cgroup: a request that a kernel worker made is the container's" \
		"SELECT count(*) > 0 AS holds FROM v_block WHERE $where AND coalesce(pid, 0) = 0" true
	seen "task group: the quota that stopped it is the container's" \
		"SELECT count(*) > 0 AS holds FROM v_throttle WHERE $where AND peer = container" true
	seen "socket: what a timer sent again is the container's" \
		"SELECT count(*) > 0 AS holds FROM v_retransmit WHERE $where" true
	seen "network namespace: a packet for which there was no socket is the container's" \
		"SELECT count(*) > 0 AS holds FROM v_drop WHERE $where AND class = 'noport' AND device = 'kwyt1'" connect_to_nobody
	seen "network namespace: its counters are the container's, under its number" \
		"SELECT count(*) > 0 AS holds FROM v_netstat n JOIN v_container c ON c.container = n.container
		WHERE c.id = '$id' AND c.netns = $(stat -Lc %i "/proc/$pid/ns/net") AND n.netns = c.netns" true
	seen "mount: its volume, and the device of that, are the container's alone" \
		"SELECT count(*) = 1 AS holds FROM v_mount WHERE dev = $(stat -c '%Hr * 1048576 + %Lr' "$(own_loop)")
		AND point = '/vol' AND type = 'ext4' AND $where" true
	runc --root "$W/roots" delete -f "$id" >/dev/null 2>&1
	rm -rf "$W/runs/$id"
	ip link del kwyt0 2>/dev/null
	wait_for 10 umount "$W/vol"
	wait_for 10 umount "$W/disk"
}

# sleeper DIR: a process that is in that directory and in no other, of whichever hierarchy; prints its number.
sleeper() {
	(
		for root in /sys/fs/cgroup/*/; do echo "$BASHPID" >"$root/cgroup.procs"; done 2>/dev/null
		echo "$BASHPID" >"$1/cgroup.procs"
		exec sleep 60
	) >/dev/null 2>&1 &
	echo $!
}

number_of() { # cgroup
	rows "SELECT container FROM v_container WHERE cgroup = '$1' ORDER BY first_ns DESC LIMIT 1" | jq -r .container
}

# A crash in there is said to be that cgroup's.
crash_is_of() { # what, directory, cgroup
	local pid
	pid=$(sleeper "$2")
	wait_for 10 grep -qx sleep "/proc/$pid/comm"
	kill -SEGV "$pid"
	check "$1" "container IN (SELECT container FROM v_exit WHERE signal = 11 AND pid = $pid)" ".cgroup == \"$3\""
}

# A v1 directory gets another name, with another one inside.
renamed() {
	local dir=/sys/fs/cgroup/cpu/$TOP outer inner
	is_hybrid || { skip "renamed" "the host has no v1 hierarchies"; return; }
	mkdir -p "$dir/former/inside"
	check "renamed: known before" "cgroup = '/$TOP/former/inside'" '.kind == "cgroup"'
	outer=$(number_of "/$TOP/former") inner=$(number_of "/$TOP/former/inside")
	mv -T "$dir/former" "$dir/present"
	check "renamed: the same container under another path" "container = $outer" ".cgroup == \"/$TOP/present\" and .last_ns == null"
	check "renamed: and what lies inside" "container = $inner" ".cgroup == \"/$TOP/present/inside\" and .last_ns == null"
	crash_is_of "renamed: what happens in it has its present name" "$dir/present/inside" "/$TOP/present/inside"
	mkdir "$dir/former"
	check "renamed: who gets the former name is another one" "cgroup = '/$TOP/former' AND container <> $outer" '.last_ns == null'
	rmdir "$dir"/{former,present/inside,present}
	check "renamed: it ends under its present name" "container = $outer" ".cgroup == \"/$TOP/present\" and .last_ns != null"
}

next_number() { # hierarchy
	mkdir "/sys/fs/cgroup/$1/$TOP/next" && stat -c %i "/sys/fs/cgroup/$1/$TOP/next" && rmdir "/sys/fs/cgroup/$1/$TOP/next"
}

make_dirs() { (cd "/sys/fs/cgroup/$1/$TOP" && seq -f "$2%.0f" 1 "$3" | xargs -r mkdir); }
remove_dirs() { (cd "/sys/fs/cgroup/$1/$TOP" && seq -f "$2%.0f" 1 "$3" | xargs -r rmdir); }

# Numbers of directories are counted up in each hierarchy by itself: the one that is behind is brought near the other.
bring_near() { # hierarchy, hierarchy
	local a b n try
	for ((try = 0; try < 100; try++)); do
		a=$(next_number "$1") b=$(next_number "$2")
		n=$(((a < b ? b - a : a - b) / 32))
		((n < 40)) && return 0
		((n > 500)) && n=500
		if ((a < b)); then make_dirs "$1" behind $n && remove_dirs "$1" behind $n; else make_dirs "$2" behind $n && remove_dirs "$2" behind $n; fi
	done
	return 1
}

# Two directories with the same number in two hierarchies, and one path that is used twice.
same_ids() {
	local one=/sys/fs/cgroup/freezer/$TOP other=/sys/fs/cgroup/pids/$TOP id a b first
	is_hybrid || { skip "equal numbers" "the host has no v1 hierarchies"; return; }
	mkdir -p "$one" "$other"
	bring_near freezer pids || { skip "equal numbers" "the hierarchies' numbers are too far apart"; return; }
	make_dirs freezer one 400
	make_dirs pids other 400
	id=$(comm -12 <(stat -c %i "$one"/one* | sort) <(stat -c %i "$other"/other* | sort) | head -n 1)
	if [[ -z $id ]]; then
		skip "equal numbers" "none of 400 directories in each"
	else
		a=$(find "$one" -mindepth 1 -maxdepth 1 -inum "$id" -printf %f) b=$(find "$other" -mindepth 1 -maxdepth 1 -inum "$id" -printf %f)
		check "equal numbers: the one" "cgroup = '/$TOP/$a'" '.last_ns == null'
		check "equal numbers: the other" "cgroup = '/$TOP/$b'" '.last_ns == null'
		crash_is_of "equal numbers: what happens in the one (number $id)" "$one/$a" "/$TOP/$a"
		crash_is_of "equal numbers: what happens in the other" "$other/$b" "/$TOP/$b"
	fi
	remove_dirs freezer one 400
	remove_dirs pids other 400
	mkdir "$one/twice"
	check "the same path again: the first" "cgroup = '/$TOP/twice'" '.last_ns == null'
	first=$(number_of "/$TOP/twice")
	rmdir "$one/twice"
	mkdir "$one/twice"
	check "the same path again: another container" "cgroup = '/$TOP/twice' AND container <> $first" '.last_ns == null'
	check "the same path again: the first has ended" "container = $first" '.last_ns != null'
	rmdir "$one/twice"
}
