# SPDX-License-Identifier: Apache-2.0
#
# Sourced: stock Debian kernels for guests.  Packages are downloaded with an apt state of our own and unpacked below
# $VM_CACHE; nothing is installed and the host's apt configuration is only read.
#
#	kernels.VERSION/	vmlinux or vmlinuz, lib/modules/RELEASE, release, initrd

VM_CACHE=${KWHY_VM_CACHE:-${BUILD:-build}/vm}
mkdir -p "$VM_CACHE"
VM_CACHE=$(cd "$VM_CACHE" && pwd -P)
vm_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

vm_apt() { # apt-get or apt-cache, arguments...
	local tool=$1
	shift
	"$tool" -o Dir::Etc::sourceparts=/dev/null -o "Dir::Etc::sourcelist=$VM_CACHE/apt/sources.list" \
		-o "Dir::State::lists=$VM_CACHE/apt/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$VM_CACHE/apt/cache" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@"
}

# The mirrors are those the host itself uses.  Security and backports suites together have every kernel line that
# Debian still ships, with indexes of some hundred kilobytes.  A suite that does not exist is only a warning.
vm_apt_init() {
	local uri suite
	[[ -r $vm_keyring ]] || { echo "no $vm_keyring (package debian-archive-keyring)" >&2; return 1; }
	[[ -z $(find "$VM_CACHE/apt/fresh" -mmin -1440 2>/dev/null) ]] || return 0
	mkdir -p "$VM_CACHE"/apt/{lists,cache/archives}/partial
	while IFS= read -r uri; do
		for suite in bullseye bookworm trixie; do
			case $uri in
			*/debian-security/) echo "deb [arch=amd64 signed-by=$vm_keyring] $uri $suite-security main" ;;
			*/debian/) [[ $suite == bullseye ]] || echo "deb [arch=amd64 signed-by=$vm_keyring] $uri $suite-backports main" ;;
			esac
		done
	done < <(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sort -u) \
		>"$VM_CACHE/apt/sources.list"
	[[ -s $VM_CACHE/apt/sources.list ]] || { echo "this host's apt sources name no Debian mirror" >&2; return 1; }
	vm_apt apt-get update >"$VM_CACHE/apt/update.log" 2>&1
	compgen -G "$VM_CACHE/apt/lists/*Packages*" >/dev/null || { tail -n 3 "$VM_CACHE/apt/update.log" >&2; return 1; }
	touch "$VM_CACHE/apt/fresh"
}

# Newest release of a version ("6.1", or "newest" of all) on the mirror.  Of two builds for different Debian releases
# the one for this host's is preferred: its compiler can build modules for it.
vm_release() { # version
	local all own newest pattern='[0-9]+\.[0-9]+'
	[[ $1 == newest ]] || pattern=${1//./\\.}
	all=$(vm_apt apt-cache pkgnames linux-image- 2>/dev/null |
		sed -nE "s/^linux-image-($pattern\.[0-9].*-cloud-amd64)\$/\1/p" | sort -V)
	newest=${all##*$'\n'}
	# shellcheck disable=SC1091
	own=$(. /etc/os-release && sed "s/+deb[0-9][0-9]/+deb${VERSION_ID:-}/" <<<"$newest")
	if grep -qxF -e "$own" <<<"$all"; then echo "$own"; else echo "$newest"; fi
}

# An ELF image starts through PVH, without the guest having to decompress itself (slow under emulation).  Where it lies
# in a bzImage: payload_offset and payload_length of Documentation/arch/x86/boot.rst, relative to the code after the
# boot sectors.
vm_extract() { # bzImage, vmlinux
	local sectors offset length unpack
	sectors=$(od -An -tu1 -j497 -N1 "$1")
	offset=$((($(od -An -tu4 -j584 -N4 "$1")) + (sectors + 1) * 512))
	length=$(($(od -An -tu4 -j588 -N4 "$1")))
	case $(od -An -tx1 -j$offset -N4 "$1" | tr -d ' \n') in
	1f8b*) unpack='gzip -dc' ;;
	28b52ffd) unpack='zstd -dcq' length=$((length - 4)) ;; # all but gzip are followed by the unpacked size
	02214c18) unpack='lz4 -dcq' length=$((length - 4)) ;;
	fd377a58) unpack='xz -dc' length=$((length - 4)) ;;
	*) return 1 ;;
	esac
	tail -c +$((offset + 1)) "$1" | head -c "$length" | $unpack >"$2" 2>/dev/null
	[[ $(od -An -tx1 -N4 "$2" | tr -d ' ') == 7f454c46 ]]
}

# What the guest needs before it has a root file system, in load order.
vm_initrd() { # folder of the kernel, release
	local tmp module path
	tmp=$(mktemp -d "$VM_CACHE/initrd.XXXXXX") || return 1
	mkdir -p "$tmp"/{bin,dev,proc,sys,modules,overlay}
	cp "$(command -v busybox)" "$tmp/bin/busybox"
	install -m 755 tests/vm/init.sh "$tmp/init"
	for module in virtio_pci virtiofs overlay virtio_net; do
		modprobe -d "$1" -S "$2" --show-depends "$module" 2>/dev/null
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while IFS= read -r path; do
		module=$(basename "$path")
		case $path in
		*.xz) xz -dc "$path" >"$tmp/modules/${module%.xz}" ;;
		*.zst) zstd -dcq "$path" >"$tmp/modules/${module%.zst}" ;;
		*) cp "$path" "$tmp/modules/" ;;
		esac
		module=${module%.xz}
		echo "${module%.zst}" >>"$tmp/modules/order"
	done
	(cd "$tmp" && find . | sort | cpio --quiet -o -H newc) >"$1/initrd"
	rm -rf "$tmp"
	[[ -s $1/initrd ]]
}

# Since 6.19 the image package is empty and depends on its parts.
vm_packages() { # release, "image" or "headers"
	local part
	if [[ $2 == image ]]; then
		echo "linux-image-$1"
		for part in binary modules base; do
			vm_apt apt-cache pkgnames "linux-$part-$1" 2>/dev/null | grep -xF "linux-$part-$1"
		done
	else
		echo "linux-headers-$1"
		vm_apt apt-cache show "linux-headers-$1" 2>/dev/null | sed -n '/^Depends:/{s/^Depends: //;s/ ([^)]*)//g;s/[,|]/\n/g;p;q}' |
			tr -d ' ' | grep -E '^linux-(headers-.*-common.*|kbuild-.*)$'
	fi
}

vm_unpack() { # release, "image" or "headers", folder
	local deb
	local -a packages
	mapfile -t packages < <(vm_packages "$1" "$2")
	mkdir -p "$3/debs"
	(cd "$3/debs" && vm_apt apt-get -qq download "${packages[@]}") >"$3/download.log" 2>&1 || return 1
	for deb in "$3"/debs/*.deb; do dpkg-deb -x "$deb" "$3" || return 1; done
	rm -rf "$3/debs"
}

# Folder of an unpacked kernel, fetched when it is not there; 1 with the reason on standard error.
vm_kernel() { # version
	local folder=$VM_CACHE/kernel.$1 release image modules
	if [[ ! -s $folder/initrd || tests/vm/init.sh -nt $folder/initrd ]]; then
		vm_apt_init || return 1
		release=$(vm_release "$1")
		[[ -n $release ]] || { echo "the mirror carries no kernel $1 any more" >&2; return 1; }
		rm -rf "$folder" "$folder.new"
		if ! vm_unpack "$release" image "$folder.new"; then
			echo "cannot download $release: $(tail -n 1 "$folder.new/download.log")" >&2
			return 1
		fi
		image=$(find "$folder.new" -name 'vmlinuz*' -type f | head -n 1)
		modules=$(find "$folder.new" -type d -path '*lib/modules/*' -prune | head -n 1)
		[[ -n $image && -n $modules ]] || { echo "the mirror has only parts of $release" >&2; return 1; }
		mkdir -p "$folder/lib/modules"
		vm_extract "$image" "$folder/vmlinux" || { rm -f "$folder/vmlinux"; cp "$image" "$folder/vmlinuz"; }
		mv "$modules" "$folder/lib/modules/$release"
		rm -rf "$folder.new"
		echo "$release" >"$folder/release"
		depmod -b "$folder" "$release" 2>/dev/null
		vm_initrd "$folder" "$release" || { echo "cannot make an initramfs for $release" >&2; return 1; }
	fi
	echo "$folder"
}

# Folder of a Debian with systemd, what kwhy is linked with, and runtimes; made when it is not there.
vm_rootfs() {
	local folder=$VM_CACHE/rootfs.systemd uri
	if [[ ! -x $folder/lib/systemd/systemd || ! -x $folder/usr/bin/podman ]]; then
		command -v debootstrap >/dev/null || { echo "debootstrap is not installed" >&2; return 1; }
		uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/$' | head -n 1)
		[[ -n $uri ]] || { echo "this host's apt sources name no Debian mirror" >&2; return 1; }
		rm -rf "$folder" "$folder.new"
		debootstrap --variant=minbase --keyring="$vm_keyring" --include="systemd,systemd-sysv,dbus,kmod,curl,jq,procps,\
iproute2,nftables,busybox-static,runc,crun,podman,netavark,e2fsprogs,xfsprogs,libbpf1,libelf1,libsqlite3-0,libmicrohttpd12,libjansson4,\
libyaml-0-2,libmd0,libcap2,libcurl4,libfuse3-3" bookworm "$folder.new" "$uri" >"$VM_CACHE/rootfs.log" 2>&1 ||
			{ tail -n 1 "$VM_CACHE/rootfs.log" >&2; return 1; }
		rm -rf "$folder.new"/var/cache/apt/archives/*.deb "$folder.new"/var/lib/apt/lists/*
		mv "$folder.new" "$folder"
	fi
	echo "$folder"
}
