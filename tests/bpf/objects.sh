#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kwhy bpf inspect and kwhy bpf run over an object that is not ours.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

object=$BUILD/tests/bpf/emit.bpf.o
[[ -f $object ]] || { echo "skip objects of others - built without BPF objects (NOBPF)"; exit 0; }
work=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-bpf.XXXXXX")
trap 'rm -rf "$work"' EXIT

holds() { # name, file, filter
	if jq -es "$3" "$2" >/dev/null 2>&1; then ok "$1"; else not_ok "$1" "$(head -c 400 "$2") $(head -c 200 "$work/err")"; fi
}
fails() { # name, status, pattern, arguments
	local name=$1 want=$2 pattern=$3 status
	shift 3
	timeout 20 "$KWHY" bpf "$@" >"$work/out" 2>"$work/err"
	status=$?
	if [[ $status -eq $want ]] && grep -q -- "$pattern" "$work/err"; then ok "$name"; else not_ok "$name" "exit $status: $(cat "$work/err")"; fi
}

"$KWHY" bpf inspect "$object" >"$work/inspect" 2>"$work/err"
holds "inspect: maps" "$work/inspect" '.[0].maps as $m
	| any($m[]; .name == "ring" and .type == "ringbuf" and .max_entries == 65536)
	and any($m[]; .name == "seen" and .type == "hash" and .key == "unsigned int" and .value == "struct inner")'
holds "inspect: programs and where they go" "$work/inspect" '.[0].programs as $p
	| any($p[]; .name == "on_exit" and .type == "tracing" and .attach_type == "trace_raw_tp" and .target == "sched_process_exit")
	and any($p[]; .name == "nowhere" and .type == "xdp" and .target == null)'
fails "no such file" 2 'No such file' inspect "$work/none"
fails "no object" 2 'no BPF object' inspect "$0"
fails "neither run nor inspect" 2 'run or bpf inspect' walk "$object"

if ! [[ $EUID -eq 0 ]]; then
	skip "bpf run" "needs root"
	exit 0
fi
fails "run: no such type" 2 'no structure "nothing"' run --type nothing "$object"
# Something exits every tenth of a second.
run() { # output, arguments
	local out=$1
	shift
	timeout 20 "$KWHY" bpf run "$@" "$object" >"$out" 2>"$work/err" &
	local pid=$! i
	for ((i = 0; i < 150; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		/bin/true
		sleep 0.1
	done
	wait "$pid"
}
run "$work/run" --limit 3
status=$?
check_status() { if [[ $1 -eq 0 ]]; then ok "$2"; else not_ok "$2" "exit $1: $(cat "$work/err")"; fi; }
check_status "$status" "run: ends at its limit"
holds "run: three records, decoded" "$work/run" 'length == 3 and all(.[]; .map == "ring" and .type == "struct emitted"
	and (.ts_ns | type) == "string" and .data.big == "9223372036854775808" and .data.negative == -5
	and .data.low == 5 and .data.high == 17 and .data.colour == "GREEN" and .data.yes == true
	and (.data.comm | type) == "string" and .data.inner == {below: -2, bytes: [0, 200, 0]}
	and .data.word == 16909060 and (.data.octets | length) == 4)'
grep -q 'nowhere (xdp) is not attached' "$work/err" && ok "run: says what is not attached" || not_ok "run: says what is not attached" "$(cat "$work/err")"
run "$work/typed" --limit 1 --type inner
holds "run: as another type" "$work/typed" '.[0].type == "struct inner"'
"$KWHY" bpf run "$object" >"$work/run" 2>"$work/err" &
pid=$!
sleep 1
kill -TERM "$pid"
wait "$pid"
check_status $? "run: ends when asked to"
