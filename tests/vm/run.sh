#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [VERSION[:doctor|:faults|:pair|:hotplug|:v1|:systemd]...]: boots stock Debian kernels under emulation and runs in
# each what a user would: doctor, probes, a container, up, and real faults, those that only a guest may have included,
# which are diagnosed from the guest's records on this side.
#	:doctor		the doctor alone, which loads and attaches every program
#	:faults		the faults alone, with no other probes than they need, which is a minute less
#	:pair		the same in a guest of two CPUs, with the faults that need those
#	:hotplug	CPUs that come and go while the collector runs
#	:v1		a guest without cgroup v2
#	:systemd	systemd as init, where kwhy runs as its unit, and services, slices and containers have to be known by their
#			names (on request only: under emulation that takes minutes)
# Before that, what the objects ask of the kernel is looked up in its BTF (tests/vm/core.sh).
# "newest" is the newest kernel line Debian offers.  FAULTS_IN_GUEST names the faults (":systemd": none unless named, and
# only the probes that see who lives and dies).  A kernel the mirror does not
# carry any more is skipped.
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build}
. tests/e2e/lib.sh
. tests/e2e/agree.sh
. tests/vm/kernels.sh
. tests/vm/core.sh

versions=("$@")
# Emulated CPUs are too slow and uneven to say how good a diagnosis is: make check-vm asks for faults, this does not.
((${#versions[@]})) || versions=(5.10:doctor 6.1:doctor 6.12:doctor newest:doctor)
read -ra pair_faults <<<"${FAULTS_ON_TWO_CPUS:-lock_spin kernel_rcu_stall}"
read -ra v1_faults <<<"${FAULTS_ON_V1:-cpu_throttled oom_memcg limit_pids freeze_cgroup proc_killed}"
read -ra systemd_faults <<<"${FAULTS_IN_GUEST:-}"

guest_does() { # "doctor", "faults", "pair", "hotplug", "systemd" or ""
	case $1 in
	doctor) echo doctor ;;
	hotplug) ;;
	faults | pair) echo "only ${faults[*]}" ;;
	systemd) echo "${systemd_faults[*]}" ;;
	*) echo "${faults[*]}" ;;
	esac
}

# What the faults are seen by, and who lives and dies.
needed_probes() {
	"$FAULTS" list --json | jq -r --arg faults " ${faults[*]} " 'select(.name as $name | $faults | contains(" \($name) ")) | .probes // ""' |
		tr ',' '\n' | cat - <(printf '%s\n' cgroup exit oom signal offcpu scan) | grep . | sort -u | paste -sd ,
}

missing() { # why nothing of this can run here
	local program
	[[ $EUID -eq 0 ]] || { echo "needs root"; return; }
	[[ $(uname -m) == x86_64 ]] || { echo "the guests are x86_64 machines"; return; }
	for program in qemu-system-x86_64 busybox cpio depmod modprobe unshare findmnt jq; do
		command -v "$program" >/dev/null || { echo "$program is not installed"; return; }
	done
	[[ -x /usr/lib/qemu/virtiofsd || -x /usr/libexec/virtiofsd ]] || { echo "virtiofsd is not installed"; return; }
	unshare --mount true 2>/dev/null || echo "no mount namespaces here"
}

# The module for faults of the kernel itself.  Debian's headers hold absolute paths below /usr, so they are laid over it
# in a mount namespace of our own.
build_module() { # folder of the kernel, RUN folder
	local release headers=$1/headers work=$1/module
	release=$(cat "$1/release")
	if [[ ! -s $work/kwhy_fault.ko || tests/vm/module/kwhy_fault.c -nt $work/kwhy_fault.ko ]]; then
		[[ -d $headers/usr ]] || { vm_apt_init && vm_unpack "$release" headers "$headers"; } || return 1
		mkdir -p "$work"
		cp tests/vm/module/* "$work/"
		# A kernel of a newer Debian was built with a newer compiler: leave out what ours does not know.
		# shellcheck disable=SC2016
		printf '%s\n' '#!/bin/bash' 'args=()' 'for a; do [[ $a == -fmin-function-alignment=* ]] || args+=("$a"); done' \
			'exec gcc "${args[@]}"' >"$work/cc"
		chmod 755 "$work/cc"
		# shellcheck disable=SC2016
		unshare --mount --propagation private bash -c 'mount -t overlay -o "lowerdir=$1/usr:/usr" none /usr &&
			exec make -s -C "/usr/src/linux-headers-$2" M="$3" CC="$3/cc" CONFIG_DEBUG_INFO_BTF_MODULES= modules' \
			_ "$headers" "$release" "$work" >"$work/build.log" 2>&1 || return 1
	fi
	cp "$work/kwhy_fault.ko" "$2/"
}

# Probes whose tracepoints a kernel does not have yet: ipi_send_cpu came with 6.4, fuse_request_send with 6.10,
# contention_begin with 5.19; and those that are less with the objects for older kernels.  The doctor says what that
# costs; anything else is a defect.
declare -A lacks=([6.1]='irq|fuse'
	[5.10]='reclaim|oom|evict|block|iolimit|drop|netfail|answer|runq|irq|lock|journal|fuse|limits|errors|fserror|sync|nospace|unread')

judge_doctor() { # name, folder, version
	local bad wanted
	wanted=".result == \"FAIL\" or ((.name | startswith(\"probe \")) and (((.name | test(\"^probe (${lacks[$3]:-none})\$\"))
		and (.text | contains(\"lost: \"))) | not))"
	bad=$(jq -r "select($wanted) | \"\(.name): \(.text)\"" "$2/doctor.json" | paste -sd '|')
	if [[ ! -s $2/doctor.json ]]; then not_ok "$1: doctor" "said nothing: $(tail -n 1 "$2/output")"
	elif [[ -n $bad ]]; then not_ok "$1: doctor" "$bad"
	else ok "$1: doctor: $(jq -r 'select(.name == "bpf programs") | .text' "$2/doctor.json")"; fi
}

# What is missing must be said, with the reason.
judge_probes() { # name, folder, version
	local missing silent
	missing=$(jq -r --arg lacks "^(${lacks[$3]:-none})\$" 'select(.state == "failed" and (.probe | test($lacks) | not))
		| "\(.probe): \(.why)"' "$2/probes.json" | paste -sd ';')
	silent=$(jq -r 'select(.state == "degraded" or .state == "failed") | select(.why == "") | .probe' "$2/probes.json")
	if [[ ! -s $2/probes.json ]]; then not_ok "$1: probes" "said nothing"
	elif [[ -n $silent ]]; then not_ok "$1: probes" "do not say what they lack: $silent"
	elif [[ -n $missing ]]; then not_ok "$1: probes" "$missing"
	else ok "$1: every probe that this kernel can have is attached"; fi
}

# What the doctor says is lost where a fault that only a part of a probe sees cannot be.
declare -A lost_with=([mapped_slow]='what devices of the device mapper hold back' [mapped_error]='or fail by themselves')

# Whether this kernel does not have a probe that the fault cannot be seen without.
is_blind() { # fault, folder
	if [[ -n ${lost_with[$1]:-} && -s $2/doctor.json ]] &&
		jq -se --arg lost "${lost_with[$1]}" 'any(.[]; .text | contains($lost))' "$2/doctor.json" >/dev/null; then return; fi
	"$FAULTS" list --json | jq -se --arg fault "$1" --slurpfile probes "$2/probes.json" 'any(.[]; .name == $fault
		and ((.probes // "") | split(",") | any(. as $p | any($probes[]; .probe == $p and .state == "failed"))))' >/dev/null
}

judge_fault() { # name, folder, fault
	local log=$2/$3.log status setup onset end reports verdict blamed agreed
	status=$(cat "$2/$3.status" 2>/dev/null)
	if is_blind "$3" "$2"; then
		skip "$1: $3" "this kernel lacks a probe that sees it"
		return
	elif [[ ${status:-none} == 77 ]]; then
		skip "$1: $3" "$(tail -n 1 "$2/$3.err")"
		return
	elif [[ ${status:-none} != 0 ]]; then
		# Time runs differently under emulation; a fault that had no effect proves nothing either way.
		skip "$1: $3" "status ${status:-none} in the guest: $(tail -n 1 "$2/$3.err" 2>/dev/null)"
		return
	fi
	setup=$(jq -c 'select(.event == "setup")' "$log")
	onset=$(jq -r 'select(.event == "onset") | .wall_ns' "$log")
	end=$(jq -r 'select(.event == "end") | .wall_ns' "$log")
	reports=$(jq -s --argjson from $((onset - 1000000000)) --argjson to $((end + 4000000000)) '
		group_by(.id) | map(max_by(.revision)) | map(select(
			(.window.onset_ns | tonumber) <= $to and ((.window.end_ns // "9e18") | tonumber) >= $from)
		| {cause, headline, confidence, severity, victims, culprits} | del(.victims[].tasks, .culprits[].tasks))' \
		"$2/incidents.json")
	verdict=$(judge "$setup" "$reports") || verdict="no verdict"
	agreed=$([[ ! -d $2/state ]] || agree "$3" "$log" "$2/state")
	# Under emulation everybody waits for CPUs and really is held up: only the fault's own cause is asked for bystanders.
	blamed=$(blamed_bystander "$setup" "$(jq --argjson truth "$setup" '[.[] | select(.cause == $truth.cause)]' <<<"$reports")")
	jq -r '.[] | "#   \(.cause) [\(.confidence.level), \(.severity)] \(.headline)"' <<<"$reports"
	if [[ -n $verdict ]]; then not_ok "$1: $3" "expected $(jq -r '"\(.cause) victim \(.victim) culprit \(.culprit // .culprit_what // "none")"' <<<"$setup"); got $verdict"
	elif [[ -n $blamed ]]; then not_ok "$1: $3" "bystander blamed: $blamed"
	elif [[ $agreed == *DISAGREE* ]]; then not_ok "$1: $3" "recorded against measured: ${agreed//$'\n'/ | }"
	else ok "$1: $3${agreed:+ (${agreed//$'\n'/; })}"; fi
}

# judge_container NAME FOLDER WHAT CONDITION: one of the containers known then fulfils the jq condition.
judge_container() {
	local seen
	if jq -se "any(.[]; $4)" "$2/containers.json" >/dev/null 2>&1; then ok "$1: $3"; return; fi
	seen=$(jq -c 'select(.cgroup | test("demo")) | {name, cgroup, kind, runtime, unit, id, limits}' "$2/containers.json" 2>/dev/null | paste -sd ' ')
	not_ok "$1: $3" "wanted $4, got ${seen:-nothing of it; $(tail -n 1 "$2/containers.err" 2>/dev/null)}"
}

# What tests/vm/guest-systemd.sh has made.
judge_identity() { # name, folder
	if [[ $(cat "$2/start.status" 2>/dev/null) == 0 && -s $2/ready ]]; then ok "$1: the shipped unit starts and becomes ready"
	else not_ok "$1: the shipped unit starts and becomes ready" "$(tail -n 2 "$2/start.err" "$2/up.log" 2>/dev/null | paste -sd ' ')"; fi
	judge_container "$1" "$2" "a service is known by its unit, in its slice" \
		'.cgroup == "/shop.slice/shop-front.slice/demo-web.service" and .unit == "demo-web.service" and .root_pid > 0'
	judge_container "$1" "$2" "a slice is known" '.cgroup == "/shop.slice/shop-front.slice" and .unit == "shop-front.slice"'
	judge_container "$1" "$2" "a container by runc with systemd's driver" \
		'.id == "demo-runc" and .runtime == "runc" and .kind == "container" and .annotations["org.example.app"] == "demo" and .limits.memory == 67108864'
	judge_container "$1" "$2" "a container by Podman with systemd's driver" \
		'.name == "demo-podman" and .runtime == "podman" and .kind == "container" and (.cgroup | startswith("/machine.slice/libpod-")) and .limits.memory == 67108864'
	if jq -se 'any(.[]; .what == "oom" and (.name | endswith("demo-oom.service"))) and any(.[]; .what == "crash" and .name == "demo-crash")' \
		"$2/died.json" >/dev/null 2>&1; then
		ok "$1: an OOM kill and a crash have the names of their containers"
	else
		not_ok "$1: an OOM kill and a crash have the names of their containers" "$(paste -sd ' ' "$2/died.json" 2>/dev/null)"
	fi
	if [[ $(cat "$2/podman.socket" 2>/dev/null) != active ]]; then skip "$1: no service is started by asking" "podman.socket is not active"
	elif cmp -s "$2/podman.before" "$2/podman.after"; then ok "$1: no service is started by asking"
	else not_ok "$1: no service is started by asking" "podman.service was started"; fi
	if jq -se 'any(.[]; .unit == "demo-web.service") and any(.[]; .name == "demo-podman")' "$2/gone.json" >/dev/null 2>&1; then
		ok "$1: what has gone keeps its name"
	else
		not_ok "$1: what has gone keeps its name" "$(jq -c '{name, cgroup}' "$2/gone.json" 2>/dev/null | paste -sd ' ')"
	fi
}

# What the objects read, against the kernel's own types: no guest is needed for that.
judge_core() { # name, folder of the kernel
	local lacks
	if ! command -v bpftool >/dev/null || [[ ! -s $2/vmlinux ]]; then skip "$1: types" "needs bpftool and an unpacked kernel"; return; fi
	lacks=$(core_lacks "$2/vmlinux" "$BUILD"/bpf/*.bpf.o | paste -sd ';')
	if [[ -n $lacks ]]; then not_ok "$1: what objects read there is asked for first" "$lacks (tests/vm/core.sh)"
	else ok "$1: what objects read there is asked for first"; fi
}

# The guest's records, diagnosed here.
diagnose() { # name, folder
	[[ -s $2/faults.kwcap ]] || { not_ok "$1: records what happens" "$(tail -n 2 "$2/collect.log" | paste -sd ' ')"; return 1; }
	rm -rf "$2/state"
	if ! "$KWHY" replay --keep "$2/state" "$2/faults.kwcap" >"$2/incidents.json" 2>"$2/replay.err"; then
		not_ok "$1: its records can be read" "$(tail -n 1 "$2/replay.err")"
		return 1
	fi
	"$KWHY" query --state "$2/state" --json "SELECT name, cgroup, id, runtime, kind, annotations, limits FROM v_container" \
		>"$2/containers.json" 2>"$2/containers.err"
	ok "$1: $(awk '{ printf "the collector took %.0f %% of a CPU, loaded after %d s", 100 * $1 / $2, ready }' \
		ready="$(cat "$2/ready")" "$2/spent")"
}

# What tests/vm/guest-hotplug.sh has made.
judge_hotplug() { # name, folder
	local round lost
	for round in $(seq 1 "$(cat "$2/rounds" 2>/dev/null || echo 1)"); do
		if [[ $(cat "$2/samples.$round" 2>/dev/null) -gt 0 ]]; then ok "$1: a CPU that comes is sampled, round $round"
		else not_ok "$1: a CPU that comes is sampled, round $round" "$(tail -n 2 "$2/collect.log" "$2/output" | paste -sd ' ')"; fi
	done
	lost=$(jq -r 'select(.emitted != .stored + .suppressed + .lost) | "\(.probe): \(.)"' "$2/books.json" 2>/dev/null | paste -sd ' ')
	if [[ ! -s $2/books.json ]]; then not_ok "$1: the books balance" "there are none"
	elif [[ -n $lost ]]; then not_ok "$1: the books balance" "$lost"
	else ok "$1: the books balance ($(jq -s 'map(.stored) | add' "$2/books.json") records, $(jq -s 'map(.lost) | add' "$2/books.json") lost and counted)"; fi
	if jq -se '.[0].blamed <= .[0].waited and .[0].waited > 0' "$2/waits.json" >/dev/null 2>&1; then ok "$1: waits for CPUs are seen, and blame is no more than they are"
	else not_ok "$1: waits for CPUs are seen, and blame is no more than they are" "$(cat "$2/waits.json" 2>/dev/null)"; fi
	if [[ $(cat "$2/collect.status" 2>/dev/null) == 0 ]]; then ok "$1: the collector goes on and stops cleanly"
	else not_ok "$1: the collector goes on and stops cleanly" "$(tail -n 2 "$2/collect.log" | paste -sd ' ')"; fi
	if grep -qE 'BUG:|WARNING:|Oops' "$2/dmesg"; then not_ok "$1: nothing in the kernel's log" "$(grep -m 1 -E 'BUG:|WARNING:|Oops' "$2/dmesg")"
	else ok "$1: nothing in the kernel's log"; fi
}

one_kernel() { # version, "doctor", "faults", "pair", "hotplug", "systemd" or ""
	local folder run name fault status why try stolen guest=tests/vm/guest.sh seconds=${VM_SECONDS:-600}
	local -a boot=() ticks
	if ! folder=$(vm_kernel "$1" 2>"$VM_CACHE/why"); then
		why=$(tail -n 1 "$VM_CACHE/why")
		echo "# KERNEL $1 IS NOT TESTED: $why"
		skip "kernel $1" "$why"
		return
	fi
	name="kernel $(sed 's/-cloud-amd64$//' "$folder/release")"
	((!v1)) || name+=" with cgroup v1 alone"
	[[ $2 == systemd ]] || judge_core "$name" "$folder"
	if [[ $2 == systemd ]]; then
		local rootfs
		if ! rootfs=$(vm_rootfs 2>"$VM_CACHE/why"); then
			skip "$name with systemd" "$(tail -n 1 "$VM_CACHE/why")"
			return
		fi
		name+=" with systemd" guest=tests/vm/guest-systemd.sh
		seconds=${VM_SECONDS:-1500}
		boot=(--rootfs "$rootfs" --see "$(dirname "$(realpath "$KWHY")")")
	fi
	if [[ $2 == hotplug ]]; then guest=tests/vm/guest-hotplug.sh boot=(--append maxcpus=1); fi
	run=$VM_CACHE/run.$1${2:+.$2}
	rm -rf "$run"
	mkdir -p "$run"
	[[ -n $2 && $2 != faults && $2 != pair ]] || build_module "$folder" "$run" || echo "# no module for $name: $(tail -n 1 "$folder/module/build.log" 2>/dev/null)"
	printf 'cd %q\nexport KWHY=%q FAULTS=%q PROBES=%q\nexec %s %q %s\n' "$PWD" "$(realpath "$KWHY")" \
		"$(realpath "$FAULTS")" "$(needed_probes)" "$guest" "$run" "$(guest_does "$2")" >"$run/command"
	# One CPU: QEMU's emulation of a second one now and then keeps executing an instruction that the kernel has patched,
	# and the guest spins at one address or dies of a breakpoint, in code that is not ours.  Where two are needed, one more
	# try; that it hung twice says nothing of kwhy.
	[[ $2 == systemd || $cpus == 2 ]] || boot+=(--cpus 1)
	((!v1)) || boot+=(--append kwhy.cgroup=v1)
	[[ -n $2 && $2 != faults ]] || boot+=(--memory 1280) # all of it has to be taken for oom_global
	read -ra ticks < <(cpu_ticks)
	for try in 1 2; do
		tests/vm/boot.sh --seconds "$seconds" "${boot[@]}" "$folder" "$run" >"$run/boot.log" 2>&1
		status=$?
		[[ ! -s $run/status ]] && grep -q 'soft lockup' "$run/console" 2>/dev/null || break
		echo "# $name hung under emulation: $(grep -m 1 'soft lockup' "$run/console" | tr -d '\r')"
	done
	if [[ ! -s $run/status ]] && ((try == 2)); then
		skip "$name" "the guest hung twice under emulation"
		return
	fi
	stolen=$(stolen_percent "${ticks[@]}")
	if [[ ! -s $run/status ]] && ((status == 124 && stolen > STOLEN_PERCENT_MAX)); then
		skip "$name" "not done within its time; the hypervisor took $stolen % of the CPUs meanwhile"
		return
	fi
	if [[ ! -s $run/status ]]; then
		cp "$run/console" "$VM_CACHE/console.$1.failed"
		grep -aE 'BUG:|Oops|RIP:|panic|Call Trace|^\[[ 0-9.]+\]  [? ]*[a-z_0-9.]+\+0x' "$run/console" | tr -d '\r' | head -n 40 | sed 's/^/# /'
		not_ok "$name: boots and answers" "status $status: $(tail -n 1 "$run/boot.log")"
		return
	fi
	ok "$name: boots and answers"
	if [[ $2 == systemd ]]; then
		judge_identity "$name" "$run"
		for fault in "${systemd_faults[@]}"; do judge_fault "$name" "$run" "$fault"; done
		if [[ $(cat "$run/up.result" 2>/dev/null) == success ]]; then ok "$name: the unit stops cleanly"
		else not_ok "$name: the unit stops cleanly" "$(cat "$run/up.result" 2>/dev/null): $(tail -n 1 "$run/up.log" 2>/dev/null)"; fi
		return
	fi
	if [[ $2 == hotplug ]]; then judge_hotplug "$name" "$run"; return; fi
	[[ $2 == faults || $2 == pair ]] || judge_doctor "$name" "$run" "$1"
	[[ $2 != doctor ]] || return
	judge_probes "$name" "$run" "$1"
	diagnose "$name" "$run" || return
	if [[ -s $run/runc.status ]]; then
		judge_container "$name" "$run" "a container by runc is known" '.id == "demo-runc" and .runtime == "runc"
			and .kind == "container" and .cgroup == "/shop/demo-runc" and (.limits | tostring | contains("67108864"))'
	fi
	for fault in "${faults[@]}"; do
		judge_fault "$name" "$run" "$fault"
	done
	[[ -z $2 ]] || return
	if [[ -s $run/readyz && $(cat "$run/up.status" 2>/dev/null) == 0 ]]; then ok "$name: up becomes ready and stops cleanly"
	else not_ok "$name: up becomes ready and stops cleanly" "status $(cat "$run/up.status" 2>/dev/null): $(tail -n 1 "$run/up.log")"; fi
}

why=$(missing)
if [[ -n $why ]]; then
	skip "other kernels" "$why"
	exit 0
fi
# Faults that were not diagnosed in this output; nothing when something else failed, too.
missed() { # output of one_kernel
	local fault names=() failed
	failed=$(grep -c '^not ok' <<<"$1")
	for fault in "${faults[@]}"; do
		grep -q "^not ok [^-]*: $fault - " <<<"$1" && names+=("$fault")
	done
	((${#names[@]} == failed)) && echo "${names[*]}"
}

for version in "${versions[@]}"; do
	what=${version#*:} cpus=1 v1=0
	[[ $what != "$version" ]] || what=
	read -ra faults <<<"${FAULTS_IN_GUEST:-oom_memcg net_drop_policy fs_frozen proc_killed kernel_oops}"
	if [[ $what == v1 ]]; then what='' v1=1 faults=("${v1_faults[@]}"); fi
	if [[ $what == pair ]]; then cpus=2 faults=("${pair_faults[@]}"); fi
	[[ $what != hotplug ]] || cpus=2
	out=$(one_kernel "${version%%:*}" "$what")
	# Emulated time is uneven: what was not diagnosed gets one more guest.  Both results stand in the output.
	again=$(missed "$out")
	if [[ ${what:-faults} =~ ^(faults|pair)$ && -n $again ]]; then
		grep -v '^not ok' <<<"$out"
		grep '^not ok' <<<"$out" | sed 's/^/# first guest: /'
		read -ra faults <<<"$again"
		out=$(one_kernel "${version%%:*}" "$what" | grep -E "^#|^(not ok|skip)|: (${again// /|})\$")
	fi
	echo "$out"
done
