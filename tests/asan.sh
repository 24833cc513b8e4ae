#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The daemon built with AddressSanitizer and UndefinedBehaviorSanitizer, under a real fault: nothing may be reported.
set -u
cd "$(dirname "$0")/.." || exit 2
export BUILD=${BUILD:-build}
KWHY=$BUILD/asan/kwhy
. tests/e2e/lib.sh
FAULTS=$BUILD/tests/faults
trap kwhy_cleanup EXIT
trap 'exit 130' INT TERM

if [[ $EUID -ne 0 ]]; then
	skip "daemon under sanitizers" "needs root"
	exit 0
fi
reports=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-asan.XXXXXX")
chmod 777 "$reports"
export ASAN_OPTIONS=log_path=$reports/asan:detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS=log_path=$reports/ubsan:print_stacktrace=1
if ! READY_SECONDS=60 kwhy_start; then
	not_ok "daemon under sanitizers starts" "see above"
	cat "$reports"/* 2>/dev/null
	exit 1
fi
ok "daemon under sanitizers starts"
for fault in cpu_throttled oom_memcg; do
	for try in 1 2 3; do # a fault that had no effect is drawn anew
		read -ra ticks < <(cpu_ticks)
		"$FAULTS" run "$fault" >/dev/null 2>"$STATE_DIR.fault.err"
		status=$?
		((status != 0 && status != 77)) || break
		echo "# attempt $try of $fault: $(tail -n 1 "$STATE_DIR.fault.err")"
	done
	stolen=$(stolen_percent "${ticks[@]}")
	if ((status == 0)); then ok "fault $fault"
	elif ((status == 77)); then skip "fault $fault under sanitizers" "$(tail -n 1 "$STATE_DIR.fault.err")"
	elif ((stolen > STOLEN_PERCENT_MAX)); then skip "fault $fault under sanitizers" "not real while the hypervisor took $stolen % of the CPUs"
	else not_ok "fault $fault under sanitizers" "$(tail -n 1 "$STATE_DIR.fault.err")"; fi
done
sleep 2
for page in / /incidents /events /containers /agent /metrics /api/v1/incidents /api/v1/events /api/v1/probes; do
	curl -fsS -m 60 -o /dev/null "$URL$page" || not_ok "page $page under sanitizers" "no answer"
done
for verb in incidents events containers probes; do
	"$KWHY" "$verb" --json --state "$STATE_DIR" >/dev/null || not_ok "verb $verb under sanitizers" "exit $?"
done
kwhy_stop || not_ok "daemon under sanitizers stops" "exit $?"
if compgen -G "$reports/*" >/dev/null; then
	not_ok "no sanitizer report" "$(head -n 3 "$reports"/* | tr '\n' ' ')"
	cat "$reports"/*
else
	ok "no sanitizer report"
fi
rm -rf "$reports"
