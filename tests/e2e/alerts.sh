#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Alerts of a running kwhy: a site's rule fires, is told to a file and to a program, is silenced, and resolves.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

if ! [[ $EUID -eq 0 ]]; then
	skip "alerts of a running kwhy" "needs root"
	exit 0
fi
STATE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-e2e.XXXXXX")
rules=$STATE_DIR.rules told=$STATE_DIR.told
trap 'kwhy_cleanup; rm -rf "$rules" "$told"' EXIT
trap 'exit 130' INT TERM
mkdir -m 755 "$rules"
mkdir -m 777 "$told" # the server, which is not root, writes there
chmod 777 "$told"
printf '#!/bin/sh\ncat >>"%s/program"\necho >>"%s/program"\n' "$told" "$told" >"$told/run"
chmod 755 "$told/run"

write_rule() { # value
	cat >"$rules/new" <<-EOF
		groups:
		  - name: site
		    interval: 1s
		    rules:
		      - alert: Always
		        sql: SELECT 'somebody' AS container, $1 AS value
		        labels: {severity: warning}
		        annotations: {summary: "{{ \$labels.container }}: {{ \$value }}"}
	EOF
	mv "$rules/new" "$rules/site.yaml"
}
check() { # name, command...
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "exit $?: $(tail -n 3 <<<"$out")"; fi
}
told_to() { # file, status
	jq -es --arg status "$2" 'any(.[]; .status == $status and any(.alerts[]; .labels.alertname == "Always"))' "$told/$1"
}
state_is() { # state, by whom it is held back
	curl -fsS "$URL/api/v1/alerts" |
		jq -e --arg s "$1" --arg h "$2" 'any(.items[]; .alert == "Always" and .state == $s and (if $h == "" then .held_by == "" else .held_by | startswith($h) end))'
}

write_rule 2.5
kwhy_start --set "alerts.rules=$rules" --set "alerts.file=$told/file" --set "alerts.exec=$told/run" ||
	{ not_ok "kwhy starts" "see above"; exit 1; }
check "it fires" wait_for 15 state_is firing ""
check "the file is told" wait_for 10 told_to file firing
check "the program is told" wait_for 10 told_to program firing
check "the annotation is filled in" jq -es 'any(.[]; .commonAnnotations.summary == "somebody: 2.5")' "$told/file"
check "the verb lists it" bash -c '"$1" alerts --state "$2" | grep -q "somebody: 2.5"' _ "$KWHY" "$STATE_DIR"
check "the page shows it" bash -c 'curl -fsS "$1/alerts" | grep -q "somebody: 2.5"' _ "$URL"
check "a back-test says the same" bash -c '"$1" rules eval "$2" --since -10s --json --state "$3" | grep -q "\"firing\""' _ \
	"$KWHY" "$rules/site.yaml" "$STATE_DIR"

# A silence needs a reason and an end, and a body that no form can send.
post() { curl -s -o /dev/null -w '%{http_code}' -H "Content-Type: ${3:-application/json}" -d "$2" "$URL/api/v1/silences$1"; }
ends=$(($(date +%s) + 600))000000000
code=$(post "" '{"matchers":[{"name":"container","op":"=","value":"somebody"}],"author":"t"}')
if [[ $code == 422 ]]; then ok "a silence without a reason"; else not_ok "a silence without a reason" "HTTP $code"; fi
code=$(post "" 'x=1' text/plain)
if [[ $code == 415 ]]; then ok "a silence that a form could send"; else not_ok "a silence that a form could send" "HTTP $code"; fi
body='{"matchers":[{"name":"container","op":"=~","value":"some.*"}],"author":"t","comment":"test","ends_ns":"'$ends'"}'
code=$(post "" "$body")
if [[ $code == 200 ]]; then ok "a silence"; else not_ok "a silence" "HTTP $code"; fi
check "it is held back" wait_for 10 state_is firing "silence "
id=$(curl -fsS "$URL/api/v1/silences" | jq -r '.items[0].id')
code=$(post "/$id" '{}')
if [[ $code == 200 ]]; then ok "the silence ends"; else not_ok "the silence ends" "HTTP $code"; fi
check "it is no longer held back" wait_for 10 state_is firing ""

# The server dies and comes back: the alert is the same one.
since=$(curl -fsS "$URL/api/v1/alerts" | jq -r '.items[] | select(.alert == "Always") | .active_ns')
kill -KILL "$(pgrep -P "$UP_PID" -f 'kwhy serve')"
check "the server comes back" wait_for 20 is_ready
wait_for 10 state_is firing ""
again=$(curl -fsS "$URL/api/v1/alerts" | jq -r '.items[] | select(.alert == "Always") | .active_ns')
if [[ -n $since && $since == "$again" ]]; then ok "state survives"; else not_ok "state survives" "since $since, then $again"; fi

# A site's rule changes while it runs; a broken one is left out and says so.
printf 'groups:\n- name: bad\n  rules:\n  - alert: Bad\n' >"$rules/bad.yaml"
write_rule NULL
check "it resolves" wait_for 15 state_is resolved ""
check "the verb knows what it was before" bash -c '"$1" alerts --at "@$3" --state "$2" --json | jq -es "any(.[]; .alert == \"Always\" and .state == \"firing\")"' \
	_ "$KWHY" "$STATE_DIR" "$((since / 1000000000 + 2))"
check "so do the API and the page" bash -c 'curl -fsS "$1/api/v1/alerts?state=firing&at=$2" "$1/alerts?at=$2&format=json" |
	jq -es "all(.[]; any((.items // .alerts)[]; .alert == \"Always\" and .state == \"firing\"))"' _ "$URL" "$((since + 2000000000))"
check "the file is told the end" wait_for 10 told_to file resolved
check "the broken rule is named" grep -q 'bad.yaml:4' "$UP_LOG"
lines=$(jq -s '[.[] | .alerts[] | select(.labels.alertname == "Always" and .status == "resolved")] | length' "$told/file")
if [[ $lines == 1 ]]; then ok "told once"; else not_ok "told once" "$lines times"; fi
