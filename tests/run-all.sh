#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run-all.sh [TIER...]: runs the tiers (all of them by default) and adds up their results.
#
# A tier's programs print one line per test: "ok NAME", "not ok NAME - why", "skip NAME - why"; cmocka's TAP output
# counts as well ("# SKIP", the reason being the comment line before it).  A program that exits with an error without
# a "not ok", or that runs no test, is itself one failed test.  Exits 1 when anything failed.
# TEST_MINUTES: what would begin later than that is skipped, counted and said; unset: no limit.
set -u
cd "$(dirname "$0")/.." || exit 2

make=${MAKE:-make}
export BUILD=${BUILD:-build}
export TEST_DEADLINE=${TEST_MINUTES:+$((EPOCHSECONDS + 60 * TEST_MINUTES))}
export CMOCKA_MESSAGE_OUTPUT=TAP
unset MAKEFLAGS MFLAGS MAKELEVEL
passed=0 failed=0 skipped=0
failures=() skips=()
logs=$BUILD/test-logs
mkdir -p "$logs"

not_ok() { # what
	failed=$((failed + 1))
	failures+=("$1")
}

# Counts the lines of one program's output.
count() { # tier, program, status, log
	local tier=$1 program=$2 status=$3 log=$4 line comment='' seen=0 bad=0 name
	while IFS= read -r line; do
		line=${line//$'\r'/}
		case $line in
		'ok '*'# SKIP'* | 'not ok '*'# SKIP'*)
			skipped=$((skipped + 1))
			name=${line#*# SKIP}
			skips+=("$tier: ${program##*/}: ${name# } - ${comment:-no reason given}")
			;;
		'ok '*) passed=$((passed + 1)) ;;
		'not ok '*)
			bad=1
			not_ok "$tier: ${program##*/}: ${line#not ok }"
			;;
		'skip '*)
			skipped=$((skipped + 1))
			skips+=("$tier: ${line#skip }")
			;;
		'# '*)
			comment=${line#\# }
			continue
			;;
		*) continue ;;
		esac
		seen=$((seen + 1))
		comment=
	done <"$log"
	if [[ $status -eq 124 || $status -eq 137 ]]; then
		not_ok "$tier: $program - ran into its time limit"
	elif [[ $status -ne 0 && $bad -eq 0 ]]; then
		not_ok "$tier: $program - exit status $status"
	elif [[ $seen -eq 0 ]]; then
		not_ok "$tier: $program - ran no test"
	fi
	if [[ $status -ne 0 || $bad -ne 0 ]]; then
		tail -n 200 "$log" | sed 's/^/    /'
	elif [[ -n ${V:-} ]]; then
		sed 's/^/    /' "$log"
	fi
}

run() { # tier, seconds, program, arguments...
	local tier=$1 limit=$2 program=$3 log status
	shift 2
	log=$logs/$tier-$(basename "$program").log
	timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null
	status=$?
	count "$tier" "$program" "$status" "$log"
}

build() { # tier, targets...
	local tier=$1 log
	shift
	log=$logs/$tier-build.log
	if ! "$make" -s -k -j2 BUILD="$BUILD" "$@" >"$log" 2>&1; then
		tail -n 60 "$log" | sed 's/^/    /'
		not_ok "$tier: build - make $* failed"
		return 1
	fi
}

run_script() { # tier, seconds, script, arguments...
	if [[ ! -x $3 ]]; then
		not_ok "$1: tier missing ($3)"
		return
	fi
	run "$@"
}

run_side_by_side() { # tier, seconds, program...: as many at once as there are CPUs
	local tier=$1 limit=$2 program log
	shift 2
	for program; do
		while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
		log=$logs/$tier-$(basename "$program").log
		{
			timeout --kill-after=10 "$limit" "$program" >"$log" 2>&1 </dev/null
			echo $? >"$log.status"
		} &
	done
	wait
	for program; do
		log=$logs/$tier-$(basename "$program").log
		count "$tier" "$program" "$(<"$log.status")" "$log"
	done
}

# Both work from the sources, so that a program that was not built is a failure rather than silence.
run_unit() { # tier, build folder
	local source binary programs=()
	for source in tests/unit/test_*.c; do
		binary=$2/${source%.c}
		if [[ -x $binary ]]; then programs+=("$binary"); else not_ok "$1: $binary - was not built"; fi
	done
	run_side_by_side "$1" 600 "${programs[@]}"
}

run_corpora() { # tier, build folder
	local source name
	for source in tests/fuzz/fuzz_*.c; do
		name=$(basename "$source" .c)
		[[ -x $2/tests/fuzz/$name ]] && run "$1" 600 "$2/tests/fuzz/$name" "tests/fuzz/corpus/${name#fuzz_}"
	done
}

tier() {
	local before_passed=$passed before_failed=$failed before_skipped=$skipped began=$SECONDS
	echo "== $1"
	if [[ -n $TEST_DEADLINE ]] && ((EPOCHSECONDS > TEST_DEADLINE)); then
		skipped=$((skipped + 1))
		skips+=("$1: the whole tier - this host was too slow: $TEST_MINUTES minutes had gone when its turn came")
		return
	fi
	case $1 in
	lint) run lint 900 tests/lint/run.sh ;;
	unit)
		build unit tests-unit
		run_unit unit "$BUILD"
		;;
	fuzz)
		build fuzz tests-fuzz
		run_corpora fuzz "$BUILD"
		;;
	replay)
		if build replay all tests-replay; then
			run_script replay 900 tests/replay/run.sh
			run_script replay 300 tests/replay/queries.sh
		fi
		;;
	bpf) build bpf all && run_script bpf 900 tests/bpf/run.sh ;;
	faults) build faults all tests-faults && run_script faults 3600 tests/e2e/run.sh --sample "${FAULTS_SAMPLE:-18}" ;;
	asan)
		build asan asan-build tests-faults
		run_unit asan "$BUILD/asan"
		run_corpora asan "$BUILD/asan"
		KWHY=$BUILD/asan/kwhy run_script asan 900 tests/replay/run.sh --sample 16
		run_script asan 900 tests/asan.sh
		;;
	program)
		if build program all tests-faults tests-bpf; then
			run_script program 600 tests/e2e/program.sh
			run_script program 60 tests/e2e/help.sh
			run_script program 120 tests/access/run.sh
			run_script program 120 tests/access/sql.sh
			run_script program 300 tests/e2e/bundle.sh
			run_script program 300 tests/e2e/alerts.sh
			run_script program 400 tests/e2e/governed.sh
			run_script program 300 tests/e2e/governed_disk.sh
			run_script program 300 tests/peers/run.sh
		fi
		;;
	vm)
		read -ra kernels <<<"${VM_KERNELS:-}"
		build vm all tests-faults && run vm $((${#kernels[@]} ? 7200 : 2700)) tests/vm/run.sh "${kernels[@]}"
		;;
	web) build web all "$BUILD/kwhy-plain" tests-faults && run_script web 900 tests/web/run.sh ;;
	containers) build containers all tests-containers && run_script containers 900 tests/containers/run.sh ;;
	*)
		echo "run-all.sh: there is no tier $1 (lint unit fuzz replay bpf program containers faults asan web vm)" >&2
		exit 2
		;;
	esac
	echo "   $((passed - before_passed)) passed, $((failed - before_failed)) failed," \
		"$((skipped - before_skipped)) skipped in $1 ($((SECONDS - began)) s)"
}

for name in "${@:-lint unit fuzz replay bpf program containers faults asan web vm}"; do
	for one in $name; do
		tier "$one"
	done
done

if [[ ${#skips[@]} -gt 0 ]]; then
	echo "Skipped:"
	printf '  %s\n' "${skips[@]}"
fi
if [[ ${#failures[@]} -gt 0 ]]; then
	echo "Failed:"
	printf '  %s\n' "${failures[@]}"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
