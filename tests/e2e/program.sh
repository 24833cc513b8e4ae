#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The program as a service: crashes, restarts, bad input, hosts that allow less.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh
trap kwhy_cleanup EXIT
trap 'exit 130' INT TERM

# expect STATUS PATTERN NAME COMMAND...: exit status and a message on standard error.
expect() {
	local want=$1 pattern=$2 name=$3 err status
	shift 3
	err=$(timeout 30 "$@" 2>&1 >/dev/null)
	status=$?
	if [[ $status -ne $want ]]; then not_ok "$name" "exit $status, expected $want: $err"
	elif ! grep -qiE -- "$pattern" <<<"$err"; then not_ok "$name" "message does not say $pattern: $err"
	else ok "$name"; fi
}

readonly MEMORY_MAX_KIB=$((48 * 1024)) # PSS of all processes

child_of_up() { # verb
	pgrep -P "$UP_PID" -f "kwhy $1( |\$)" | head -n 1
}

stored_ticks() {
	"$KWHY" query --csv --state "$STATE_DIR" 'SELECT count(*) AS n FROM v_tick' | tail -n 1 | tr -d '\r'
}

other_child() { # verb, former pid
	local pid
	pid=$(child_of_up "$1")
	[[ -n $pid && $pid != "$2" ]]
}

kill_half() { # verb
	local pid before
	before=$(stored_ticks)
	pid=$(child_of_up "$1")
	if [[ -z $pid ]]; then not_ok "kill -9 of $1" "no such child of up"; return; fi
	kill -KILL "$pid"
	if ! wait_for 15 other_child "$1" "$pid"; then not_ok "up restarts a killed $1" "no new process"; return; fi
	if ! wait_for 20 is_ready; then not_ok "up restarts a killed $1" "not ready again"; return; fi
	if ! grep -qi "$1.*\(killed\|died\|signal 9\)" "$UP_LOG"; then not_ok "up restarts a killed $1" "said nothing"; return; fi
	if (($(stored_ticks) < before)); then not_ok "kill -9 of $1 loses nothing committed" "had $before ticks"; return; fi
	ok "kill -9 of $1: restarted, said so, nothing committed lost"
}

expect 2 'no verb' "unknown verb" "$KWHY" frobnicate
expect 2 'no option' "unknown option" "$KWHY" incidents --frobnicate
expect 2 'time|since' "bad time" "$KWHY" incidents --since 'the day after'
expect 2 'listen|port|address' "bad address" "$KWHY" up --state /nonexistent-kwhy/x --listen nonsense
expect 2 'token|TLS|loopback' "address for everyone is refused" "$KWHY" up --state /nonexistent-kwhy/x --listen 0.0.0.0:7999
expect 4 'no store|not reachable|not found|no such' "no store" "$KWHY" incidents --state /nonexistent-kwhy
config=$(mktemp)
printf 'store.max_size = 1G\nfrobnicate = 7\n' >"$config"
expect 2 "$config:2" "bad configuration names file and line" "$KWHY" up --config "$config"
rm -f "$config"

if ! kwhy_start; then
	not_ok "kwhy starts" "see above"
	exit 1
fi
ok "up becomes ready"
expect 4 'in use|7070|address' "port in use" "$KWHY" up --state "$(mktemp -d)" --listen "127.0.0.1:$PORT"
expect 4 'another|in use|lock|running' "store in use" "$KWHY" collect --state "$STATE_DIR"
sleep 3
for half in collect serve; do kill_half "$half"; done

# Who waits now, on a terminal of 80 columns, until q is pressed; and for programs.
screen=$(printf q | timeout 30 script -qec "stty cols 80 rows 24; exec $KWHY top --state $STATE_DIR" /dev/null)
status=$?
# What was typed before the terminal was switched to keys stands before the first screen.
widest=$(tr '\r' '\n' <<<"${screen#*$'\e[?1049h'}" | sed 's/\x1b\[[0-9;?]*[A-Za-z]//g' | wc -L)
if [[ $status -eq 0 && $screen == *$'\e[?1049h'*CONTAINER*$'\e[?1049l'* ]] && ((widest <= 80)); then ok "top fits the terminal and ends with q"; else not_ok "top fits the terminal and ends with q" "exit $status, $widest columns: $(head -c 300 <<<"$screen")"; fi
if "$KWHY" top --state "$STATE_DIR" --json | jq -es 'length > 0 and all(.[]; .container and .wait_cpu_ns and .span_ns == "10000000000")' >/dev/null; then ok "top for programs"; else not_ok "top for programs" "$("$KWHY" top --state "$STATE_DIR" --json 2>&1 | head -c 300)"; fi
plain=$("$KWHY" top --state "$STATE_DIR" --at -2s)
if [[ $plain == *CONTAINER* && $plain != *$'\e'* ]]; then ok "top of a past moment, without colour for no terminal"; else not_ok "top of a past moment, without colour for no terminal" "$(head -c 300 <<<"$plain")"; fi

# up itself dies: its halves must not stay behind; the next start goes on with the same store.
before=$(stored_ticks)
pids=$(pgrep -P "$UP_PID")
kill -KILL "$UP_PID"
wait "$UP_PID" 2>/dev/null
gone() { local p; for p in $pids; do [[ ! -d /proc/$p ]] || return 1; done; }
if wait_for 10 gone; then ok "kill -9 of up takes its halves along"; else not_ok "kill -9 of up takes its halves along" "left: $pids"; fi
if kwhy_start && (($(stored_ticks) >= before)); then ok "next start keeps everything committed"; else not_ok "next start keeps everything committed" "had $before ticks"; fi

# What all its processes take after a storm, and after every page was asked for.
memory_kib() {
	local pid sum=0
	for pid in "$UP_PID" $(pgrep -P "$UP_PID"); do
		((sum += $(awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup")))
	done
	echo "$sum"
}
fresh=$(memory_kib)
"$KWHY" bench --bare storm storm >/dev/null || not_ok "memory: storm" "it failed"
for page in / /incidents /events /containers /observe /stacks /alerts /rules /agent /query; do
	curl -fsS -m 30 "$URL$page" >/dev/null || not_ok "memory: $page" "no answer"
done
kib=$(memory_kib)
echo "# memory of all processes: $fresh KiB at first, $kib KiB after a storm"
if ((kib < MEMORY_MAX_KIB)); then ok "memory stays bounded"; else not_ok "memory stays bounded" "$kib KiB after a storm, $fresh before"; fi

grep -qi 'damaged' "$UP_LOG" && not_ok "no shard set aside after kill -9" "$(grep -i damaged "$UP_LOG" | head -n 1)"
if kwhy_stop; then ok "SIGTERM stops both halves cleanly"; else not_ok "SIGTERM stops both halves cleanly" "exit status $?"; fi
if "$KWHY" containers --state "$STATE_DIR" --json | jq -es 'length > 0' >/dev/null; then ok "verbs read a stopped system"; else not_ok "verbs read a stopped system" "no containers"; fi

# Its own cgroup, with limits, is the host's, and goes with it.
own_cgroups() { find /sys/fs/cgroup -maxdepth 4 -name 'kwhy.self.*' -type d 2>/dev/null | grep -- "\.$1\$"; }
kwhy_start && sleep 2
pid=$UP_PID
if grep -q 'limited to .* by a cgroup of its own' "$UP_LOG"; then
	n=$(grep -c 'kwhy\.self\.' "/proc/$(child_of_up collect)/cgroup")
	((n > 0)) && ok "it limits itself, halves included" || not_ok "it limits itself, halves included" "the collector is elsewhere"
	n=$("$KWHY" containers --state "$STATE_DIR" --json | grep -c "kwhy.self.$pid")
	((n == 0)) && ok "its own cgroup is no container" || not_ok "its own cgroup is no container" "$n are listed"
	kwhy_stop
	[[ -z $(own_cgroups "$pid") ]] && ok "its own cgroup goes with it" || not_ok "its own cgroup goes with it" "$(own_cgroups "$pid")"
else
	skip "it limits itself" "$(grep 'cgroup of its own' "$UP_LOG" | head -n 1)"
	kwhy_stop
fi

# Everything off at once, also over a restart, and on again.
kwhy_start
expect 0 '' "kwhy off is obeyed" "$KWHY" off --state "$STATE_DIR"
page_says() { curl -fsS -m 10 "$URL$1" | grep -q "$2"; } # page, pattern
attached() { (($(attached_probes) > 10)); }
if wait_for 5 page_says /metrics '^kwhy_switched_off 1'; then ok "off shows in the metrics"; else not_ok "off shows in the metrics" "no"; fi
if wait_for 5 page_says /agent 'Everything is switched off'; then ok "off shows on the agent page"; else not_ok "off shows on the agent page" "no"; fi
kwhy_stop
kwhy_start
if (($(attached_probes) == 0)); then ok "off lasts over a restart"; else not_ok "off lasts over a restart" "$(attached_probes) probes are attached"; fi
expect 0 '' "kwhy on is obeyed" "$KWHY" on --state "$STATE_DIR"
if wait_for 10 attached; then ok "on again: probes are attached"; else not_ok "on again: probes are attached" "$(attached_probes) are"; fi
kwhy_stop

# A damaged shard is set aside, the rest goes on.
shard=$(find "$STATE_DIR/events" -name '*.db' | sort | head -n 1)
dd if=/dev/urandom of="$shard" bs=4096 count=2 conv=notrunc status=none
if kwhy_start && grep -qi 'damaged' "$UP_LOG"; then ok "a damaged shard is set aside and said"; else not_ok "a damaged shard is set aside and said" "$(tail -n 1 "$UP_LOG")"; fi
kwhy_stop

# Without BPF: samplers only, said everywhere.  A site's rules are loaded again when they change; a broken one is left out.
site_rules=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-rules.XXXXXX")
chmod 755 "$site_rules"
if kwhy_start --set collect.bpf=false --set "analyze.rules=$site_rules"; then
	sleep 3 # the analysis begins
	echo 'cause: [' >"$site_rules/broken.yaml"
	cp analyze/rules/cpu.self.yaml "$site_rules/"
	chmod 644 "$site_rules"/*
	if wait_for 10 grep -q "$site_rules/broken.yaml:" "$UP_LOG" && grep -q 'rules changed' "$UP_LOG"; then ok "changed rules are loaded, a broken one is said"; else not_ok "changed rules are loaded, a broken one is said" "$(tail -n 1 "$UP_LOG")"; fi
	rm -rf "$site_rules"
	curl -fsS "$URL/agent" | grep -qi 'off\|not loaded\|without' && ok "samplers only: the agent page says so" || not_ok "samplers only: the agent page says so" "no word of it"
	(($(attached_probes) == 0)) && ok "samplers only: no probe attached" || not_ok "samplers only: no probe attached" "some are"
	n=$("$KWHY" query --csv --state "$STATE_DIR" 'SELECT count(*) AS n FROM v_host' | tail -n 1 | tr -d '\r')
	((n > 0)) && ok "samplers only: host counters are stored" || not_ok "samplers only: host counters are stored" "none"
else
	not_ok "samplers only: becomes ready" "see above"
fi
kwhy_stop

# As nobody: no capabilities at all; what the kernel shows to everyone is still watched.
if [[ $EUID -eq 0 ]]; then
	rm -rf "$STATE_DIR" "$STATE_DIR.log"
	STATE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-nobody.XXXXXX")
	chown nobody "$STATE_DIR"
	binary=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-bin.XXXXXX")
	chmod 755 "$binary"
	cp "$KWHY" "$binary/kwhy"
	URL=http://127.0.0.1:$PORT
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$binary/kwhy" up --state "$STATE_DIR" --listen "127.0.0.1:$PORT" >"$STATE_DIR.log" 2>&1 &
	UP_PID=$! UP_LOG=$STATE_DIR.log
	if wait_for 20 is_ready; then
		ok "unprivileged: becomes ready with samplers"
		wait_for 5 grep -qiE 'bpf|privilege|root|capab' "$UP_LOG" && ok "unprivileged: the terminal says what is missing" || not_ok "unprivileged: the terminal says what is missing" "$(cat "$UP_LOG")"
	else
		not_ok "unprivileged: becomes ready with samplers" "$(tail -n 2 "$UP_LOG")"
	fi
	kwhy_stop
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$binary/kwhy" doctor >"$STATE_DIR.doctor" 2>&1
	grep -qE '(WARN|FAIL).*(BPF|bpf)' "$STATE_DIR.doctor" && ok "unprivileged: doctor says what is missing" || not_ok "unprivileged: doctor says what is missing" "$(tail -n 3 "$STATE_DIR.doctor")"
	rm -rf "$binary" "$STATE_DIR.doctor"
else
	skip "unprivileged run" "needs root to become nobody"
fi

# Nothing at all to watch: this host cannot, and no half stays behind.
nothing=(--set collect.bpf=false --set collect.disabled=psi,usage,host,netstat,kmsg)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-nothing.XXXXXX")
expect 3 'nothing to watch.*collect.disabled' "collect with nothing to watch" "$KWHY" collect --state "$scratch" "${nothing[@]}"
expect 3 'nothing to watch' "up with nothing to watch" "$KWHY" up --state "$scratch" --listen "127.0.0.1:$(free_port)" "${nothing[@]}"
if pgrep -f "kwhy (collect|serve) .*$scratch" >/dev/null; then not_ok "up with nothing to watch leaves no half behind" "$(pgrep -af "$scratch")"; else ok "up with nothing to watch leaves no half behind"; fi
if unshare -m true 2>/dev/null; then
	expect 3 '/proc' "collect where /proc is empty" unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$KWHY" collect --state "$scratch"
else
	skip "collect where /proc is empty" "no mount namespaces here"
fi
rm -rf "$scratch"

# Who holds what: the collector no socket, the server no capability and no root.
status_of() { # pid, field
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}
check() { # name, why, condition...
	local name=$1 why=$2
	shift 2
	if "$@"; then ok "$name"; else not_ok "$name" "$why"; fi
}
is_subset() { (((16#$1 & ~0x$2) == 0)); } # capability sets, hexadecimal
if [[ $EUID -eq 0 ]]; then
	rm -rf "$STATE_DIR" "$STATE_DIR.log"
	STATE_DIR=
	if kwhy_start; then
		sleep 3
		collector=$(child_of_up collect) server=$(child_of_up serve)
		# Sources of names wake their own threads through pairs of local sockets, which lead nowhere else.
		sockets=$(find "/proc/$collector/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n' |
			grep -cwFf - <(cat /proc/"$collector"/net/{tcp,tcp6,udp,udp6,raw,raw6,packet,netlink} 2>/dev/null))
		check "the collector holds no socket of a network" "it holds $sockets" [ "$sockets" = 0 ]
		# dac_read_search, net_admin, sys_ptrace, sys_admin, sys_resource, syslog, perfmon, bpf
		caps=$(status_of "$collector" CapPrm)
		check "the collector keeps only what it watches with" "CapPrm $caps" is_subset "$caps" c401281004
		check "the collector can gain nothing" "NoNewPrivs 0" [ "$(status_of "$collector" NoNewPrivs)" = 1 ]
		for set in CapEff CapPrm CapInh CapBnd CapAmb; do
			caps=$(status_of "$server" $set)
			check "the server has no capability ($set)" "$caps" is_subset "$caps" 0
		done
		check "the server is another user" "uid $(status_of "$server" Uid)" [ "$(status_of "$server" Uid)" != 0 ]
		check "the server can gain nothing" "NoNewPrivs 0" [ "$(status_of "$server" NoNewPrivs)" = 1 ]
		check "the server cannot write the event store" "it can" \
			bash -c '! setpriv --reuid="$1" --regid="$2" --clear-groups test -w "$3/events"' _ \
			"$(status_of "$server" Uid)" "$(status_of "$server" Gid)" "$STATE_DIR"
	else
		not_ok "kwhy starts to be looked at" "see above"
	fi
	kwhy_stop
else
	skip "what the halves hold" "needs root to start with"
fi

# doctor: every line a result, a fix wherever something is missing, and 1 exactly when something failed.
doctor() { # name, expected failures as a pattern or "", command...
	local name=$1 pattern=$2 out status fails
	shift 2
	out=$("$@" doctor --json --state "$STATE_DIR" 2>/dev/null)
	status=$?
	fails=$(jq -r 'select(.result == "FAIL") | .name' <<<"$out")
	if ! jq -es 'length > 5 and all(.[]; (.result | IN("PASS", "WARN", "FAIL")) and (.result == "PASS" or .fix != ""))' <<<"$out" >/dev/null; then not_ok "$name" "no result or no fix in: $out"
	elif [[ -n $fails && $status -ne 1 || -z $fails && $status -ne 0 ]]; then not_ok "$name" "exit $status with failures: ${fails:-none}"
	elif [[ -n $pattern ]] && ! grep -qE "$pattern" <<<"$fails"; then not_ok "$name" "expected $pattern among failures: ${fails:-none}"
	else ok "$name"; fi
}
doctor "doctor on this host" "" "$KWHY"
if unshare -m true 2>/dev/null; then
	doctor "doctor where cgroups are not mounted" "^cgroups$" unshare -m sh -c \
		'awk "/ - cgroup2? /{ print \$5 }" /proc/self/mountinfo | tac | while read -r m; do umount -l "$m"; done; exec "$@"' sh "$KWHY"
	doctor "doctor where a mount hides the cgroups" "^cgroups$" unshare -m sh -c \
		'awk "/ - cgroup2? /{ print \$5 }" /proc/self/mountinfo | while read -r m; do mount -t tmpfs none "$m"; done; exec "$@"' sh "$KWHY"
	doctor "doctor without BTF" "^btf$" unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' sh "$KWHY"
else
	skip "doctor on a host that hides things" "no mount namespaces here"
fi
