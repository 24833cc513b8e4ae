#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Alerts told to a real Alertmanager, metrics scraped by a real Prometheus, rules and dashboard checked with their own
# tools.  Debian's packages are unpacked below the build folder, not installed: their services are not wanted here.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

if ! [[ $EUID -eq 0 ]]; then
	skip "alerts and metrics with real peers" "needs root"
	exit 0
fi
if ! unshare -m true 2>/dev/null; then
	skip "alerts and metrics with real peers" "no mount namespaces here"
	exit 0
fi
peers=$PWD/$BUILD/peers
fetch() {
	mkdir -p "$peers/deb" && cd "$peers/deb" || return 1
	apt-get download prometheus prometheus-alertmanager >"$peers/log" 2>&1 || return 1
	local deb
	for deb in *.deb; do dpkg-deb -x "$deb" "$peers/root" || return 1; done
}
if [[ ! -x $peers/root/usr/bin/prometheus-alertmanager ]] && ! (fetch); then
	skip "alerts and metrics with real peers" "Debian's prometheus and prometheus-alertmanager cannot be fetched"
	exit 0
fi
bin=$peers/root/usr/bin
STATE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-e2e.XXXXXX")
work=$STATE_DIR.peers
pids=()
stop_peers() {
	local pid
	for pid in "${pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	pids=()
}
trap 'stop_peers; kwhy_cleanup; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p -m 755 "$work/rules"

check() { # name, command...
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "exit $?: $(tail -n 3 <<<"$out")"; fi
}

manager_port=$(free_port)
manager=http://127.0.0.1:$manager_port
start_manager() {
	# Debian's build looks for its templates below /usr/share, where it is not installed.
	unshare -m sh -c 'mount --bind "$1" /usr/share && shift && exec "$@"' sh "$peers/root/usr/share" \
		"$bin/prometheus-alertmanager" --config.file="$work/manager.yml" --storage.path="$work/manager" \
		--web.listen-address="127.0.0.1:$manager_port" --cluster.listen-address= >>"$work/manager.log" 2>&1 &
	pids+=($!)
	wait_for 20 curl -fsS "$manager/-/ready"
}
cat >"$work/manager.yml" <<-'EOF'
	route: {receiver: none, group_by: [incident]}
	receivers: [{name: none}]
EOF
write_rule() { # value
	cat >"$work/new" <<-EOF
		groups:
		  - name: site
		    interval: 1s
		    rules:
		      - alert: Always
		        sql: SELECT 'somebody' AS container, $1 AS value
		        labels: {severity: warning}
		        annotations: {summary: "it is {{ \$value }}"}
	EOF
	mv "$work/new" "$work/rules/site.yaml"
}
in_manager() { # number of active alerts called Always
	curl -fsS "$manager/api/v2/alerts?filter=alertname%3DAlways" | jq -e --argjson n "$1" 'length == $n'
}
waiting() { curl -fsS "$URL/api/v1/alerts" | jq -e '.outbox | any(.receiver == "alertmanager" and .waiting > 0)'; }
none_waiting() { curl -fsS "$URL/api/v1/alerts" | jq -e '.outbox | length == 0'; }

check "Prometheus takes the rule file" "$bin/promtool" check rules packaging/prometheus/kwhy.rules.yaml
check "the dashboard is JSON with queries" jq -e '[.panels[].targets[].expr] | length >= 8' packaging/grafana/kwhy.json

write_rule 7
start_manager || { not_ok "Alertmanager starts" "$(tail -n 2 "$work/manager.log")"; exit 1; }
kwhy_start --set "alerts.rules=$work/rules" --set "alerts.alertmanager=$manager/" ||
	{ not_ok "kwhy starts" "see above"; exit 1; }
check "Alertmanager has the alert" wait_for 20 in_manager 1
check "with its annotation" bash -c 'curl -fsS "$1/api/v2/alerts" | jq -e "any(.[]; .annotations.summary == \"it is 7\")"' _ "$manager"
write_rule NULL
check "and its end" wait_for 20 in_manager 0

# It goes away and comes back: nothing is lost.
stop_peers
write_rule 8
check "without Alertmanager the alert waits" wait_for 20 waiting
start_manager
check "and arrives when it is back" wait_for 40 in_manager 1
check "then nothing waits" wait_for 40 none_waiting

# What Prometheus scrapes it understands, and every query of the dashboard and the rules finds its metric.
check "promtool finds the metrics well-formed" bash -c 'curl -fsS "$1/metrics" | "$2" check metrics' _ "$URL" "$bin/promtool"
prometheus_port=$(free_port)
prometheus=http://127.0.0.1:$prometheus_port
cat >"$work/prometheus.yml" <<-EOF
	global: {scrape_interval: 1s, evaluation_interval: 1s}
	rule_files: [$PWD/packaging/prometheus/kwhy.rules.yaml]
	scrape_configs: [{job_name: kwhy, static_configs: [{targets: ["127.0.0.1:$PORT"]}]}]
EOF
"$bin/prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
	--web.listen-address="127.0.0.1:$prometheus_port" >"$work/prometheus.log" 2>&1 &
pids+=($!)
query() { curl -fsS --get --data-urlencode "query=$1" "$prometheus/api/v1/query"; }
has_data() { query "$1" | jq -e '.status == "success" and (.data.result | length > 0)'; }
check "Prometheus scrapes kwhy" wait_for 30 has_data 'up{job="kwhy"} == 1'
check "and is told that it is ready" wait_for 20 has_data 'kwhy_ready == 1'
empty=
while IFS= read -r expr; do
	expr=${expr//\$instance/.*}
	expr=${expr//\$__rate_interval/10s}
	wait_for 15 has_data "$expr" || empty+=" $expr;"
done < <(jq -r '.panels[].targets[].expr' packaging/grafana/kwhy.json)
if [[ -z $empty ]]; then ok "every panel of the dashboard has data"; else not_ok "every panel of the dashboard has data" "$empty"; fi
check "no rule of ours fails in Prometheus" bash -c \
	'curl -fsS "$1/api/v1/rules" | jq -e "[.data.groups[].rules[] | select(.health == \"err\")] | length == 0"' _ "$prometheus"
