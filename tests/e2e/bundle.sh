#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Bundles of a running kwhy: exported by the program and by the server, read by every verb and by the pages elsewhere.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

if ! [[ $EUID -eq 0 ]]; then
	skip "bundles of a running kwhy" "needs root"
	exit 0
fi
trap kwhy_cleanup EXIT
trap 'exit 130' INT TERM
STATE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-e2e.XXXXXX")
export TMPDIR=$STATE_DIR.tmp # what is left behind shows there
mkdir -m 1777 "$TMPDIR" && chmod 1777 "$TMPDIR"
kwhy_start || { not_ok "kwhy starts" "see above"; exit 1; }
work=$STATE_DIR.bundles
mkdir -p "$work"
trap 'kwhy_cleanup; rm -rf "$work" "$TMPDIR"' EXIT

check() { # name, command...: fine when it succeeds
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "exit $?: $(tail -n 2 <<<"$out")"; fi
}
refused() { # status, pattern, name, command...
	local status=$1 pattern=$2 name=$3 out got
	shift 3
	out=$("$@" 2>&1 >/dev/null)
	got=$?
	if [[ $got -ne $status ]]; then not_ok "$name" "exit $got, expected $status: $out"
	elif ! grep -qiE -- "$pattern" <<<"$out"; then not_ok "$name" "does not say $pattern: $out"
	else ok "$name"; fi
}
count() { "$KWHY" query --csv "$@" 'SELECT count(*) FROM v_tick' | tail -n 1 | tr -d '\r'; }

sleep 4
one=$work/one
check "export while it runs" "$KWHY" bundle export "$one" --state "$STATE_DIR" --since -1min
check "verify" "$KWHY" bundle verify "$one"
check "its diagnosis is the same elsewhere" "$KWHY" replay "$one" --verify
check "sqlite3 lists it" bash -c 'sqlite3 "$1" -At | grep -q ^manifest.json' _ "$one"
for verb in incidents events containers probes; do
	check "$verb reads it" "$KWHY" "$verb" --json --bundle "$one"
done
if [[ $(count --bundle "$one") -ge 3 ]]; then ok "query reads it"; else not_ok "query reads it" "$(count --bundle "$one") ticks"; fi
check "import" "$KWHY" bundle import "$one" --state "$work/imported"
check "the server's account can read it" [ "$(stat -c %U "$work/imported/events")" = "$(stat -c %U "$STATE_DIR/reports")" ]
if [[ $(count --state "$work/imported") == "$(count --bundle "$one")" ]]; then ok "imported whole"; else not_ok "imported whole" "other ticks"; fi
refused 2 'not empty' "import spares what is there" "$KWHY" bundle import "$one" --state "$work/imported"
refused 2 'exists' "export spares what is there" "$KWHY" bundle export "$one" --state "$STATE_DIR"
refused 2 'no incident' "export of an incident that is not there" "$KWHY" bundle export "$work/two" --incident nosuch --state "$STATE_DIR"
refused 2 'none, names or all' "an unknown redaction" "$KWHY" bundle export "$work/two" --redact some --state "$STATE_DIR"
refused 4 'nothing is stored' "a window with nothing in it" "$KWHY" bundle export "$work/two" --since yesterday --until "20h ago" --state "$STATE_DIR"
refused 4 'not a bundle' "what is no bundle" "$KWHY" incidents --bundle "$0"
refused 4 'no such file' "a bundle that is not there" "$KWHY" incidents --bundle "$work/missing"

# The server makes them too; what it sends is what the verb makes.
check "download" curl -fsS -o "$work/down" "$URL/api/v1/bundles?since=-1min&redact=all"
check "the download verifies" "$KWHY" replay "$work/down" --verify
host=$(hostname)
if strings -n 3 <("$KWHY" query --json --bundle "$work/down" 'SELECT * FROM v_host') | grep -qF "\"$host\""; then
	not_ok "the redacted download hides the node" "it names $host"
else ok "the redacted download hides the node"; fi
code=$(curl -s -o /dev/null -w '%{http_code}' "$URL/api/v1/bundles?incident=nosuch")
if [[ $code == 404 ]]; then ok "download of an unknown incident"; else not_ok "download of an unknown incident" "HTTP $code"; fi

# The pages over a bundle, as on another machine.
port=$(free_port)
"$KWHY" serve --bundle "$one" --listen "127.0.0.1:$port" >"$work/serve.log" 2>&1 &
pid=$!
if wait_for 20 curl -fsS "http://127.0.0.1:$port/healthz"; then
	for page in / /incidents /events /containers /agent; do
		check "the page $page over a bundle" curl -fsS -o /dev/null "http://127.0.0.1:$port$page"
	done
	rows=$(curl -fsS "http://127.0.0.1:$port/api/v1/query?sql=SELECT+count(*)+AS+n+FROM+v_tick" | jq -r '[.rows[0][]][0]')
	if [[ $rows == "$(count --bundle "$one")" ]]; then ok "the server's query over a bundle"; else not_ok "the server's query over a bundle" "$rows ticks"; fi
else
	not_ok "serve a bundle" "$(tail -n 2 "$work/serve.log")"
fi
kill -TERM "$pid"
wait "$pid"
left=$(ls "$TMPDIR")
if [[ -n $left ]]; then not_ok "nothing is left behind" "$left"; else ok "nothing is left behind"; fi
