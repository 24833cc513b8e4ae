#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# boot.sh [--seconds N] [--memory MB] [--cpus N] [--append ARGS] [--rootfs FOLDER [--see FOLDER]...] KERNEL-FOLDER
#         RUN-FOLDER
#
# Runs RUN-FOLDER/command in a guest with that kernel (tests/vm/kernels.sh makes the folder): two emulated CPUs unless
# said otherwise, cgroup v2 only (--append kwhy.cgroup=v1: v1 only), no network but loopback.  Its / is this host's, read-only below a tmpfs; RUN-FOLDER is
# the only thing of the host it can write to: output, status, and whatever the command leaves there; the kernel's
# console is in "console".
# With --rootfs its / is that folder, with systemd as init; this tree and what --see names can be seen below it.
# Exit status: the command's; 124 when it took longer than N seconds, 125 when the guest ended without an answer.
set -u
cd "$(dirname "$0")/../.." || exit 2

seconds=120 memory=2048 cpus=2 append= rootfs=
see=("$PWD")
while [[ $# -gt 2 ]]; do
	case $1 in
	--seconds) seconds=$2 ;;
	--memory) memory=$2 ;;
	--cpus) cpus=$2 ;;
	--append) append=$2 ;;
	--rootfs) rootfs=$2 ;;
	--see) see+=("$2") ;;
	*) echo "boot.sh: no option $1" >&2; exit 2 ;;
	esac
	shift 2
done
kernel=$(cd "$1" && pwd -P) run=$(cd "$2" && pwd -P) || exit 2
[[ -z $rootfs ]] || append+=" kwhy.rootfs=$rootfs $(printf 'kwhy.see=%s ' "${see[@]}")"
sockets=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-vm.XXXXXX")
children=()
stop() {
	((${#children[@]})) && kill "${children[@]}" 2>/dev/null
	wait 2>/dev/null
	rmdir "$sockets/view" 2>/dev/null
	rm -rf "$sockets"
}
trap stop EXIT
trap 'exit 130' INT TERM

for virtiofsd in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do
	[[ -x $virtiofsd ]] && break
done

# A file server for the guest.  That of / works on a read-only view in a mount namespace of its own, so that even a
# guest that misbehaves cannot write to the host.
mkdir "$sockets/view"
# shellcheck disable=SC2016
unshare --mount --propagation private bash -c '
	view=$1
	shift
	mount --bind / "$view" && mount -o remount,bind,ro "$view" || exit 1
	while [[ $1 != -- ]]; do # where the tree and the cache lie on file systems of their own
		top=$(findmnt -nro TARGET -T "$1")
		[[ $top == / ]] || mount --bind "$top" "$view$top" && mount -o remount,bind,ro "$view$top"
		shift
	done
	shift
	exec "$@"' _ "$sockets/view" "${see[@]}" "$kernel" ${rootfs:+"$rootfs"} -- "$virtiofsd" --socket-path="$sockets/root" -o sandbox=chroot \
	-o source="$sockets/view" -o cache=always -o log_level=err 2>"$sockets/root.log" &
children+=($!)
"$virtiofsd" --socket-path="$sockets/run" -o sandbox=chroot -o source="$run" -o cache=auto -o log_level=err \
	2>"$sockets/run.log" &
children+=($!)
for ((i = 0; i < 100; i++)); do
	[[ -S $sockets/root && -S $sockets/run ]] && break
	sleep 0.05
done

image=$kernel/vmlinux
[[ -s $image ]] || image=$kernel/vmlinuz
rm -f "$run/status" "$run/output"
timeout --kill-after=5 "$seconds" nice -n 5 qemu-system-x86_64 \
	-M q35,accel=tcg,memory-backend=mem,smm=off,vmport=off,hpet=off -cpu max,la57=off -smp "$cpus" -m "$memory" \
	-object "memory-backend-memfd,id=mem,size=${memory}M,share=on" \
	-nodefaults -no-user-config -display none -nic none -no-reboot \
	-chardev "socket,id=root,path=$sockets/root" -device vhost-user-fs-pci,chardev=root,tag=root \
	-chardev "socket,id=run,path=$sockets/run" -device vhost-user-fs-pci,chardev=run,tag=run \
	-chardev "file,id=console,path=$run/console" -serial chardev:console \
	-kernel "$image" -initrd "$kernel/initrd" \
	-append "console=ttyS0 loglevel=5 panic=-1 tsc=reliable no_timer_check mitigations=off init_on_alloc=0 psi=1 lsm=lockdown,yama,bpf \
kwhy.run=$run kwhy.modules=$kernel $append" >"$run/qemu.log" 2>&1 </dev/null
status=$?
if [[ -s $run/status ]]; then
	exit "$(cat "$run/status")"
elif [[ $status -eq 124 || $status -eq 137 ]]; then
	echo "the guest took longer than $seconds s"
	exit 124
fi
echo "the guest ended without an answer: $(cat "$sockets"/*.log "$run/qemu.log" 2>/dev/null | tail -n 1)" \
	"$(grep -aE -m 2 'guest:|Kernel panic' "$run/console")"
exit 125
