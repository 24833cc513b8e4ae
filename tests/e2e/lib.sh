# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the end-to-end tests: starts a kwhy of their own on a free port and a state folder of its own, and stops
# it whatever happens.  Sets KWHY, STATE_DIR, PORT, URL, UP_PID, UP_LOG.

BUILD=${BUILD:-build}
KWHY=${KWHY:-$BUILD/kwhy}
FAULTS=$BUILD/tests/faults

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1 - $2"; }
skip() { echo "skip $1 - $2"; }

free_port() {
	local port
	for port in $(shuf -i 20000-32000 -n 50); do
		(: </dev/tcp/127.0.0.1/"$port") 2>/dev/null || { echo "$port"; return; }
	done
	return 1
}

now_ns() { date +%s%N; }

# Waits until a condition holds: wait_for SECONDS COMMAND...
wait_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < until)) || return 1
		sleep 0.2
	done
}

is_ready() { curl -fsS -m 2 "$URL/readyz"; }

kwhy_start() { # arguments for up
	STATE_DIR=${STATE_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/kwhy-e2e.XXXXXX")}
	chmod 755 "$STATE_DIR"
	PORT=${PORT:-$(free_port)} || return 1
	URL=http://127.0.0.1:$PORT
	UP_LOG=$STATE_DIR.log
	"$KWHY" up --state "$STATE_DIR" --listen "127.0.0.1:$PORT" "$@" >>"$UP_LOG" 2>&1 &
	UP_PID=$!
	wait_for "${READY_SECONDS:-30}" is_ready && return
	echo "# kwhy did not become ready:" >&2
	sed 's/^/# /' "$UP_LOG" >&2
	return 1
}

kwhy_stop() {
	[[ -n ${UP_PID:-} ]] || return 0
	kill -TERM "$UP_PID" 2>/dev/null
	wait "$UP_PID"
	local status=$?
	UP_PID=
	return $status
}

kwhy_cleanup() {
	kwhy_stop
	[[ -n ${KEEP_STATE:-} ]] || rm -rf "$STATE_DIR" "$STATE_DIR.log"
}

# Number of probes of the running kwhy that hook into the kernel; samplers only read files.
attached_probes() {
	"$KWHY" probes --json --state "$STATE_DIR" | jq -s '[.[] | select((.state == "attached" or .state == "degraded") and (.attach | test("^(tp_btf|raw_tp|tracepoint|tp|fentry|kprobe|iter)/")))] | length'
}
