# SPDX-License-Identifier: Apache-2.0
#
# Sourced after lib.sh: what kwhy recorded of a fault against what the injector's own processes measured, by the lines of
# tests/faults/agree.txt.

# The number of a container in the store, by its path; "NULL" when there is none.
container_number() { # state folder, cgroup path
	"$KWHY" query --state "$1" --json "SELECT coalesce((SELECT max(container) FROM v_container WHERE cgroup = '$2'), 'NULL') AS n" | jq -r .n
}

readonly PROOF='
	def phases($of): .[$of + "_before"], .[$of + "_during"], .[$of + "_after"];
	def longest($of): [phases($of) | .max_ns | tonumber] | max;
	def total($of): [phases($of) | .count * (.mean_ns | tonumber)] | add;
	def failed($of): [phases($of) | .failed] | add;
	(.[] | select(.event == "setup")) as $setup | .[] | select(.event == "proof") | '

# One line for each comparison: "WHAT: N told, N measured", or "DISAGREE WHAT: ..." where they are too far apart.
agree() { # fault, the injector's output, state folder
	local what how proof sql victim culprit measured told fine unit
	while IFS=$'\t' read -r what how proof sql; do
		victim=$(container_number "$3" "$(jq -r 'select(.event == "setup") | .victim' "$2")")
		culprit=$(container_number "$3" "$(jq -r 'select(.event == "setup") | .culprit' "$2")")
		sql=${sql//:victim/$victim} sql=${sql//:culprit/$culprit}
		measured=$(jq -rs "$PROOF $proof" "$2")
		unit=
		told=$("$KWHY" query --state "$3" --json "SELECT coalesce(($sql), 0) AS n" | jq -r .n)
		case $how in
		time)
			fine=$((10 * (told > measured ? told - measured : measured - told) <= measured + 100000000))
			told=$((told / 1000)) measured=$((measured / 1000)) unit=' us'
			;;
		about) fine=$((10 * (told > measured ? told - measured : measured - told) <= measured)) ;;
		most) fine=$((told <= measured && 10 * told >= 9 * measured)) ;;
		tries) fine=$((told >= measured && told <= 4 * measured)) ;;
		*) fine=$((told == measured)) ;;
		esac
		((measured > 0)) || fine=0 # a proof without that member says nothing
		echo "$( ((fine)) || echo 'DISAGREE ')$what: $told$unit told, $measured$unit measured"
	done < <(awk -F ' ; ' -v OFS='\t' -v fault="$1" '$1 == fault { print $2, $3, $4, $5 }' tests/faults/agree.txt)
}
