#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The server's doors with a real client: loopback, unix socket, TLS with tokens on all addresses, and the audit log.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

dir=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-access.XXXXXX")
chmod 755 "$dir"
server=
stop() {
	[[ -z $server ]] || { kill "$server" 2>/dev/null; wait "$server"; }
	server=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

check() { # name, why, condition...
	local name=$1 why=$2
	shift 2
	if "$@"; then ok "$name"; else not_ok "$name" "$why"; fi
}

serve() { # state, arguments
	local state=$1
	shift
	mkdir -p "$dir/$state"
	: >"$dir/log" # here, not by the child: the former server's last words are no answer
	"$KWHY" serve --state "$dir/$state" "$@" 2>"$dir/log" &
	server=$!
	wait_for 10 grep -q 'serving [hu]' "$dir/log"
}

refused() { # name, pattern, arguments: ends with 2 and says why
	local name=$1 pattern=$2 err
	shift 2
	err=$(timeout 10 "$KWHY" serve --state "$dir/none" "$@" 2>&1)
	local status=$?
	if [[ $status -eq 2 ]] && grep -qiE -- "$pattern" <<<"$err"; then ok "$name"; else not_ok "$name" "exit $status: $err"; fi
}

ask() { # status and body into $dir/body; arguments of curl
	curl -sS -m 5 -o "$dir/body" -w '%{http_code}' "$@"
}
answers() { # name, status, arguments of curl
	local name=$1 want=$2 got
	shift 2
	got=$(ask "$@" 2>&1)
	if [[ $got == "$want" ]]; then ok "$name"; else not_ok "$name" "answered $got, expected $want: $(head -c 300 "$dir/body")"; fi
}

token() { openssl rand -hex 24; }
viewer=$(token) operator=$(token) admin=$(token)
account=$(getent passwd kwhy >/dev/null && echo kwhy || echo nobody)
keep() { # file, text
	printf '%s\n' "$2" >"$dir/$1"
	chmod 640 "$dir/$1"
	[[ $EUID -ne 0 ]] || chgrp "$(id -gn "$account")" "$dir/$1"
}
keep viewers "ann:$viewer"
keep operators "$operator"
keep admins "$admin"
certificate() { # name: NAME.cert and NAME.key, which nobody else may read
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=kwhy.example \
		-addext subjectAltName=DNS:kwhy.example -keyout "$dir/$1.key" -out "$dir/$1.cert" 2>/dev/null
	chmod 600 "$dir/$1.key"
}
certificate first && cp "$dir/first.cert" "$dir/cert" && cp -p "$dir/first.key" "$dir/key"
port=$(free_port)
tls=(--set "serve.tls_cert=$dir/cert" --set "serve.tls_key=$dir/key")
tokens=(--set "serve.viewer_tokens=$dir/viewers" --set "serve.operator_tokens=$dir/operators"
	--set "serve.admin_tokens=$dir/admins")

# ---- what must not be served ----
refused "all addresses without TLS and tokens" 'refusing.*TLS.*tokens' --listen "0.0.0.0:$port"
refused "all addresses without TLS" 'refusing.*TLS' --listen "0.0.0.0:$port" "${tokens[@]}"
refused "all addresses without tokens" 'refusing.*tokens' --listen "[::]:$port" "${tls[@]}"
refused "a file that is not there" 'nobody could come in' --listen "127.0.0.1:$port" --set "serve.admin_tokens=$dir/absent"
certificate second
refused "a key of another certificate" 'first.cert with .*second.key: ' --listen "127.0.0.1:$port" \
	--set "serve.tls_cert=$dir/first.cert" --set "serve.tls_key=$dir/second.key"
cp "$dir/key" "$dir/open-key" && chmod 644 "$dir/open-key"
refused "a key that others may read" 'others may read this key' --listen "127.0.0.1:$port" \
	--set "serve.tls_cert=$dir/cert" --set "serve.tls_key=$dir/open-key"
keep readable "$viewer" && chmod 644 "$dir/readable"
refused "tokens that others may read" 'others may read or write' --listen "127.0.0.1:$port" --set "serve.viewer_tokens=$dir/readable"

# ---- loopback, nothing set up ----
serve plain --listen "127.0.0.1:$port"
url=http://127.0.0.1:$port
answers "loopback: no token is needed" 200 "$url/metrics"
answers "loopback: a name that is not ours" 421 -H 'Host: evil.example' "$url/metrics"
answers "loopback: a page of another site" 403 -H 'Origin: http://evil.example' -H 'Content-Type: application/json' -d '{}' "$url/api/v1/silences"
jq -e '.status == 403 and .title == "Not allowed" and (.detail | contains("another site"))' "$dir/body" >/dev/null &&
	ok "refusals are problem documents" || not_ok "refusals are problem documents" "$(cat "$dir/body")"
stop

# ---- unix socket ----
sock=$dir/plain/kwhy.sock
serve plain --listen "unix:$sock"
check "unix socket: only its owner and group" "mode $(stat -c %a "$sock")" [ "$(stat -c %a "$sock")" = 660 ]
answers "unix socket: answers" 200 --unix-socket "$sock" http://localhost/metrics
answers "unix socket: a change" 422 --unix-socket "$sock" -H 'Content-Type: application/json' -d '{"x":1}' http://localhost/api/v1/silences
answers "unix socket: the audit log names the uid" 200 --unix-socket "$sock" http://localhost/api/v1/audit
jq -e --arg uid "$EUID" '.items[0] | .from == "unix uid " + $uid and .who == "local" and .body == "{\"x\":1}"' "$dir/body" >/dev/null &&
	ok "unix socket: who and what" || not_ok "unix socket: who and what" "$(cat "$dir/body")"
stop

# ---- TLS and tokens, on all addresses ----
serve site --listen "0.0.0.0:$port" "${tls[@]}" "${tokens[@]}" --set 'serve.hosts=kwhy.example other.example'
url=https://kwhy.example:$port
trusted=(--cacert "$dir/cert" --resolve "kwhy.example:$port:127.0.0.1")
as() { auth=(-H "Authorization: Bearer $1"); }
answers "TLS: alive, without a token" 200 "${trusted[@]}" "$url/healthz"
answers "TLS: nothing else without a token" 401 "${trusted[@]}" "$url/metrics"
check "TLS: says how" "$(cat "$dir/body")" grep -q '"detail":"A token is needed: send it as.*Bearer' "$dir/body"
header=$(curl -sS -m 5 "${trusted[@]}" -o /dev/null -D - "$url/metrics" | tr -d '\r' | grep -i '^www-authenticate')
check "TLS: names the scheme" "$header" [ "$header" = 'WWW-Authenticate: Bearer realm="kwhy"' ]
as "$viewer"
answers "viewer: reads" 200 "${trusted[@]}" "${auth[@]}" "$url/metrics"
answers "viewer: changes nothing" 403 "${trusted[@]}" "${auth[@]}" -H 'Content-Type: application/json' -d '{}' "$url/api/v1/silences"
answers "viewer: not the audit log" 403 "${trusted[@]}" "${auth[@]}" "$url/api/v1/audit"
as "$(token)"
answers "a wrong token" 401 "${trusted[@]}" "${auth[@]}" "$url/metrics"
as "$operator"
silence=$(jq -nc '{matchers: [{name: "alertname", op: "=", value: "X"}], author: "t", comment: "c", ends_ns: ((now + 60) * 1000000000 | floor | tostring)}')
answers "operator: changes" 200 "${trusted[@]}" "${auth[@]}" -H 'Content-Type: application/json' -d "$silence" "$url/api/v1/silences"
as "$admin"
answers "admin: the audit log" 200 "${trusted[@]}" "${auth[@]}" "$url/api/v1/audit"
jq -e '[.items[] | select(.who == "operator" and .status == 200 and .path == "/api/v1/silences")] | length == 1' "$dir/body" >/dev/null &&
	ok "the audit log has the change" || not_ok "the audit log has the change" "$(cat "$dir/body")"
"$KWHY" audit --state "$dir/site" --json | jq -es 'any(.[]; .who == "ann" and .status == 403)' >/dev/null &&
	ok "kwhy audit has the refusal" || not_ok "kwhy audit has the refusal" "$("$KWHY" audit --state "$dir/site" 2>&1)"
grep -rq -e "$viewer" -e "$operator" -e "$admin" "$dir/site" "$dir/log" && not_ok "no token is written anywhere" "one is" || ok "no token is written anywhere"
curl -sS -m 5 --http1.1 "http://127.0.0.1:$port/healthz" >/dev/null 2>&1 && not_ok "TLS: nothing in the clear" "answered" || ok "TLS: nothing in the clear"
curl -sS -m 5 --tls-max 1.1 --ciphers ALL:@SECLEVEL=0 "${trusted[@]}" "$url/healthz" >/dev/null 2>&1 && not_ok "TLS: 1.2 at least" "spoke 1.1" || ok "TLS: 1.2 at least"
answers "an address of ours as host" 200 -k "https://127.0.0.1:$port/healthz"
answers "a name that is not ours" 421 -k -H "Host: evil.example" "https://127.0.0.1:$port/healthz"

# A browser: form, cookie, and out again.
jar=$dir/jar
answers "sign in: a wrong token" 401 "${trusted[@]}" -c "$jar" -d "token=$(token)" "$url/login"
answers "sign in" 303 "${trusted[@]}" -c "$jar" -d "token=$viewer&next=/rules" "$url/login"
check "sign in: the cookie is closed" "$(cat "$jar")" grep -qE "^#HttpOnly_kwhy.example.*TRUE.*kwhy_token" "$jar"
answers "sign in: pages open" 200 "${trusted[@]}" -b "$jar" "$url/rules"
answers "sign in: a page of another site gets nothing" 403 "${trusted[@]}" -b "$jar" -H 'Origin: https://evil.example' -d x=1 "$url/logout"
answers "sign out" 303 "${trusted[@]}" -b "$jar" -c "$jar" -H "Origin: $url" -d x=1 "$url/logout"
answers "sign out: pages close" 401 "${trusted[@]}" -b "$jar" "$url/rules"

# Files change while it runs.
fresh=$(token)
keep viewers "bob:$fresh"
as "$fresh"
new_token() { [[ $(ask "${trusted[@]}" "${auth[@]}" "$url/metrics") == 200 ]]; }
if wait_for 5 new_token; then ok "a new token is taken"; else not_ok "a new token is taken" "still refused"; fi
as "$viewer"
answers "an old one is not" 401 "${trusted[@]}" "${auth[@]}" "$url/metrics"
chmod 644 "$dir/viewers"
if wait_for 5 grep -q 'no token is taken from .*/viewers' "$dir/log"; then ok "a file that became readable is said"; else not_ok "a file that became readable is said" "$(tail -n 1 "$dir/log")"; fi
as "$fresh"
answers "and gives nobody access" 401 "${trusted[@]}" "${auth[@]}" "$url/metrics"
stop

# ---- a certificate is renewed while it serves ----
readable() { # file: by the server's user, as its tokens are
	chmod 640 "$1"
	[[ $EUID -ne 0 ]] || chgrp "$(id -gn "$account")" "$1"
}
replace() { # name: by the pair NAME, each file at once, as tools that renew do it
	local file
	for file in key cert; do
		cp "$dir/$1.$file" "$dir/new" && readable "$dir/new" && mv "$dir/new" "$dir/$file"
	done
}
shown() { # fingerprint of what a new connection gets
	openssl s_client -connect "127.0.0.1:$port" -servername kwhy.example </dev/null 2>/dev/null | fingerprint
}
fingerprint() { openssl x509 -noout -fingerprint -sha256; }
shows() { [[ $(shown) == "$(fingerprint <"$dir/$1.cert")" ]]; }
said() { grep -q -- "$1" "$dir/log"; }

if [[ $EUID -eq 0 ]]; then
	check "a key that only root can read: said at once" "$(cat "$dir/log")" said 'after a restart only.*/key: Permission denied'
fi
readable "$dir/key"
serve site --listen "127.0.0.1:$port" "${tls[@]}" "${tokens[@]}" --set 'serve.hosts=kwhy.example'
check "a key that the server can read: nothing to say" "$(cat "$dir/log")" bash -c '! grep -q "after a restart" "$1"' _ "$dir/log"
check "the first certificate" "$(shown)" shows first
as "$admin"
curl -sSN -m 120 "${trusted[@]}" --cacert "$dir/first.cert" "${auth[@]}" "$url/api/v1/stream" >"$dir/stream" 2>"$dir/stream.err" &
listener=$!
wait_for 20 test -s "$dir/stream"
replace second
check "a renewed one is taken" "$(tail -n 2 "$dir/log")" wait_for 10 shows second
answers "and believed" 200 --cacert "$dir/second.cert" --resolve "kwhy.example:$port:127.0.0.1" "$url/healthz"
before=$(wc -c <"$dir/stream")
more() { (($(wc -c <"$dir/stream") > before)); }
check "who was connected before stays so" "$(cat "$dir/stream.err")" wait_for 20 more
kill "$listener" && wait "$listener" 2>/dev/null
certificate third
cp "$dir/third.key" "$dir/new" && readable "$dir/new" && mv "$dir/new" "$dir/key"
check "half a pair: said" "$(tail -n 2 "$dir/log")" wait_for 10 said 'not replaced by a changed one: .*do not match'
check "half a pair: the former one stays" "$(shown)" shows second
echo nonsense >"$dir/cert"
check "no certificate: said" "$(tail -n 2 "$dir/log")" wait_for 10 said 'not replaced.*cert with .*key: .*[Bb]ase64\|not replaced.*cert with .*PEM'
check "no certificate: the former one stays" "$(shown)" shows second
replace third
check "a good pair after bad ones" "$(tail -n 2 "$dir/log")" wait_for 10 shows third
stop
