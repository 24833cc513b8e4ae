#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
#
# /init of a guest's initramfs: its / is the host's, read-only, below a tmpfs.  kwhy.run= of the kernel command line
# names a folder of the host that is writable in the guest; its file "command" is run, its status left in "status".
# kwhy.rootfs= names a folder that is / instead of the host's, kwhy.see= one of the host's that is visible all the same;
# what runs the command then is systemd of that folder.  kwhy.cgroup=v1: the controllers are those of v1, there is no v2.
/bin/busybox --install -s /bin
export PATH=/bin

fail() {
	echo "guest: $*" >/dev/console
	sleep 1
	echo b >/proc/sysrq-trigger
	sleep 60
}

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order 2>/dev/null); do
	insmod "/modules/$module" || echo "guest: cannot load $module" >/dev/console
done
mount -t tmpfs -o size=75% tmpfs /overlay
mkdir /overlay/lower /overlay/upper /overlay/work /overlay/root
mount -t virtiofs -o ro root /overlay/lower || fail "cannot mount the host's root"
root=/overlay/root rootfs= see= cgroup=v2
for word in $(cat /proc/cmdline); do
	case $word in
	kwhy.run=*) run=${word#*=} ;;
	kwhy.modules=*) modules=${word#*=} ;;
	kwhy.rootfs=*) rootfs=${word#*=} ;;
	kwhy.see=*) see="$see ${word#*=}" ;;
	kwhy.cgroup=*) cgroup=${word#*=} ;;
	esac
done
mount -t overlay -o "lowerdir=/overlay/lower$rootfs",upperdir=/overlay/upper,workdir=/overlay/work overlay $root ||
	fail "cannot mount an overlay"
for folder in $see; do
	mkdir -p "$root$folder"
	mount --bind "/overlay/lower$folder" "$root$folder" || fail "cannot show $folder"
done

mkdir -p $root/proc $root/sys $root/dev $root/run $root/tmp
mount -t proc proc $root/proc
mount -t sysfs sys $root/sys
mount -t devtmpfs dev $root/dev
mkdir -p $root/dev/pts $root/dev/shm
mount -t devpts devpts $root/dev/pts
for where in /dev/shm /run; do
	mount -t tmpfs -o mode=1777 tmpfs "$root$where"
done
ln -sf /proc/self/fd $root/dev/fd
if [ "$cgroup" = v1 ]; then
	mount -t tmpfs -o mode=755 cgroup $root/sys/fs/cgroup
	while read -r controller rest; do
		case $controller in "#"*) continue ;; esac
		mkdir "$root/sys/fs/cgroup/$controller"
		mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$controller" || rmdir "$root/sys/fs/cgroup/$controller"
	done </proc/cgroups
else
	mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
fi
mount -t tracefs tracefs $root/sys/kernel/tracing
mount -t debugfs debugfs $root/sys/kernel/debug
mount -t bpf -o mode=700 bpf $root/sys/fs/bpf
mount -t securityfs securityfs $root/sys/kernel/security
mkdir -p "$root$run" "$root/lib/modules"
mount -t virtiofs run "$root$run" || fail "cannot mount $run"
mount --bind "/overlay/lower$modules/lib/modules" $root/lib/modules || fail "cannot see $modules"
hostname guest
ip link set lo up

if [ -n "$rootfs" ]; then
	mount -o remount,mode=755 $root/run
	mkdir -p $root/etc/systemd/system/multi-user.target.wants
	cat >$root/etc/systemd/system/command.service <<-U
		[Unit]
		Description=The command of this guest
		After=basic.target dbus.service
		[Service]
		Type=oneshot
		TimeoutStartSec=infinity
		StandardOutput=file:$run/output
		StandardError=inherit
		ExecStart=/bin/sh -c '/bin/bash $run/command; echo \$\$? >$run/status; sync; echo b >/proc/sysrq-trigger'
	U
	ln -s ../command.service $root/etc/systemd/system/multi-user.target.wants/
	exec switch_root $root /lib/systemd/systemd
fi
chroot $root /bin/bash "$run/command" >"$root$run/output" 2>&1 </dev/null
echo $? >"$root$run/status"
sync
echo b >/proc/sysrq-trigger # QEMU runs with -no-reboot
sleep 60
