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

# Waits until a condition holds: wait_for SECONDS COMMAND...  The seconds are those of a host with its own CPUs; one
# whose hypervisor takes most of them away gets four times as many.
wait_for() {
	local until=$((SECONDS + 4 * $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < until)) || return 1
		sleep 0.2
	done
}

# "STOLEN BUSY": what the hypervisor took of this machine's CPUs so far, and all they did or wanted to do (proc(5)).
cpu_ticks() { awk '/^cpu / { print $9, $2 + $3 + $4 + $7 + $8 + $9; exit }' /proc/stat; }

# Percent of what the CPUs should have done since cpu_ticks said so that the hypervisor did not let them do.
stolen_percent() { # stolen, busy
	local stolen busy
	read -r stolen busy < <(cpu_ticks)
	echo $((busy > $2 ? 100 * (stolen - $1) / (busy - $2) : 0))
}

# From here on a machine is not its own: a container that was to wait for another one waits for the hypervisor.
readonly STOLEN_PERCENT_MAX=10

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
	listen_stop
	kwhy_stop
	[[ -n ${KEEP_STATE:-} ]] || rm -rf "$STATE_DIR" "$STATE_DIR".log "$STATE_DIR".fault* "$STATE_DIR".told*
}

# Number of probes of the running kwhy that hook into the kernel; samplers only read files.
attached_probes() {
	"$KWHY" probes --json --state "$STATE_DIR" | jq -s '[.[] | select((.state == "attached" or .state == "degraded") and (.attach | test("^(tp_btf|raw_tp|tracepoint|tp|fentry|kprobe|iter)/")))] | length'
}

# The definition of "right": a report against the ground truth of an injector.
readonly RIGHT='
	def hit_cause($truth): .cause == $truth.cause or (.cause | startswith($truth.cause + "."));
	def suffers($path): any(.victims[]; .container.cgroup == $path);
	def hit_victim($truth): suffers($truth.victim)
		and ($truth.params.other_victim == null or suffers($truth.params.other_victim));
	def hit_culprit($truth):
		# The v1 freezer has no tracepoint: nobody can be named, and nobody may be.
		if $truth.params.freezer == "v1" then (.culprits | length) == 0
		elif $truth.culprit != null then (.culprits[0].container.cgroup // "") == $truth.culprit
		elif $truth.culprit_what != null then
			(.culprits | length) == 0 or (.culprits[0].container == null and
				((.culprits[0].what // "") | ascii_downcase | contains($truth.culprit_what | ascii_downcase | split(":")[0])))
		else true end;
	def is_sure: .confidence.level == "confirmed" or .confidence.level == "probable";
	# For what the victim suffered: on a host with work of its own a bystander is somebody else'"'"'s culprit now and then.
	def blames_bystander($truth): $truth.bystander != null and is_sure and hit_victim($truth)
		and any(.culprits[]; (.container.cgroup // "") == $truth.bystander);'

# Reports come by standard input: an argument may be 128 KiB at most.
# Prints "" when a report matches the ground truth, else what came nearest.
judge() { # setup, reports
	jq -r --argjson truth "$1" "$RIGHT"'
		[.[] | {cause, confidence: .confidence.level, headline, c: hit_cause($truth), v: hit_victim($truth), p: hit_culprit($truth)}] as $found
		| if any($found[]; .c and .v and .p) then ""
		elif ($found | length) == 0 then "no incident"
		else ($found | map("\(.cause) [\(.confidence)] cause \(.c) victim \(.v) culprit \(.p): \(.headline)") | join(" | ")) end' <<<"$2" || echo "the judge failed"
}

blamed_bystander() { # setup, reports
	jq -r --argjson truth "$1" "$RIGHT"'
		[.[] | select(blames_bystander($truth)) | "\(.cause): \(.headline)"] | join(" | ")' <<<"$2" || echo "the judge failed"
}

# Notes what the server tells of each report that it writes, with the time: "MICROSECONDS {id, revision, cause, ...}".
# Whoever asked again and again instead would take the CPU from the victims, and be right to be blamed.
listen_start() {
	TOLD=$STATE_DIR.told
	: >"$TOLD"
	curl -sN "$URL/api/v1/stream" > >(
		while IFS= read -r line; do
			[[ $line != 'data: {"id"'* ]] || echo "${EPOCHREALTIME/./} ${line#data: }"
		done >>"$TOLD"
	) &
	LISTENER=$!
}

listen_stop() {
	[[ -z ${LISTENER:-} ]] || kill "$LISTENER" 2>/dev/null
	LISTENER=
}

# Milliseconds from the onset to the first report in which cause, victim and culprit stood, no later than ten seconds
# after it; else "null".
time_to_report() { # setup, onset_ns
	local told_us line id revision
	while read -r told_us line; do
		((told_us * 1000 >= $2 && told_us * 1000 <= $2 + 10000000000)) || continue
		read -r id revision < <(jq -r '"\(.id) \(.revision)"' <<<"$line")
		curl -sf -m 10 "$URL/api/v1/incidents/$id?revision=$revision" | jq -cs . >"$TOLD.report"
		if [[ -z $(judge "$1" "$(<"$TOLD.report")") ]]; then
			echo $(((told_us - $2 / 1000) / 1000))
			return
		fi
	done < <(grep -F "\"cause\":\"$(jq -r .cause <<<"$1")" "$TOLD") # or a finer one
	echo null
}

# The same, once there is one or the ten seconds are over.
wait_for_report() { # setup, onset_ns
	local took
	while took=$(time_to_report "$1" "$2") && [[ $took == null ]] && (($(now_ns) <= $2 + 10000000000)); do sleep 1; done
	echo "$took"
}
