#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A storm of requests drives the block probe over its budget: one in sixteen is followed from then on.  A disk that fails
# meanwhile must have each of its failed requests told or, where they are more than the rate allows, counted, and be named.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

reader='' loop='' image=''
stop_reader() {
	[[ -z $reader ]] || kill "$reader" 2>/dev/null
	reader=
}
cleanup() {
	stop_reader
	kwhy_cleanup
	[[ -z $loop ]] || losetup -d "$loop"
	rm -f "$image"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

state_of_block() { "$KWHY" probes --json --state "$STATE_DIR" | jq -r 'select(.probe == "block") | .state'; }
is_sampled() { [[ $(state_of_block) =~ ^(sampled|detached)$ ]]; }
sql() { "$KWHY" query --csv --state "$STATE_DIR" "$1" | tail -n 1 | tr -d '\r'; }

[[ $EUID -eq 0 ]] || { skip "failed requests of a sampled probe" "needs root"; exit 0; }
image=$(mktemp /dev/shm/kwhy-disk.XXXXXX) && truncate -s 64M "$image" && loop=$(losetup -f --show "$image") ||
	{ skip "failed requests of a sampled probe" "no loop device here"; exit 0; }

# What quick reads take is over this; held back once, it stays so.
kwhy_start --set govern.probe_budget=0.001 --set govern.window=1s --set govern.period=1s --set govern.hold=1h ||
	{ not_ok "kwhy starts" "see above"; exit 1; }
if [[ $(state_of_block) != attached ]]; then
	skip "failed requests of a sampled probe" "block is $(state_of_block) here"
	exit 0
fi
(while dd if="$loop" of=/dev/null bs=4k iflag=direct status=none; do :; done) &
reader=$!
wait_for 30 is_sampled
state=$(state_of_block)
stop_reader
if [[ $state != sampled ]]; then
	not_ok "over its budget the block probe follows some requests only" "it is $state"
	exit 1
fi
ok "over its budget the block probe follows some requests only"

from_ns=$(now_ns)
"$FAULTS" run io_error --seconds 4 --json >"$STATE_DIR.fault" 2>"$STATE_DIR.fault.err"
status=$?
failed=$(jq -s '[.[] | select(.event == "proof") | .read_before.failed + .read_during.failed + .read_after.failed] | add' "$STATE_DIR.fault")
if ((status)); then
	skip "each failed request is told" "$(tail -n 1 "$STATE_DIR.fault.err")"
	exit 0
fi
victim=$(jq -r 'select(.event == "setup") | .victim' "$STATE_DIR.fault")
told() { sql "SELECT count(*) FROM v_block WHERE error <> 0 AND ts_ns > $from_ns"; }
held() {
	sql "SELECT coalesce(sum(count), 0) FROM v_held JOIN v_container USING (container) WHERE what = 'block' AND cgroup = '$victim'"
}
all_known() { (($(told) + $(held) == failed)); }
if wait_for 10 all_known; then ok "each failed request is told, or held back by the rate and counted ($failed, $(held) held back)"
else not_ok "each failed request is told, or held back by the rate and counted" "$(told) and $(held) of $failed; $(jq -c 'select(.event == "proof")' "$STATE_DIR.fault"); $("$KWHY" probes --json --state "$STATE_DIR" |
	jq -c 'select(.probe == "block") | {state, emitted, stored, suppressed, lost, why}')"; fi
is_reported() {
	[[ -n $("$KWHY" incidents --json --state "$STATE_DIR" | jq -r 'select(.cause == "io.device_error") | .id' | head -n 1) ]]
}
if wait_for 10 is_reported; then ok "and the disk is named"
else not_ok "and the disk is named" "$("$KWHY" incidents --state "$STATE_DIR" | paste -sd '|')"; fi
