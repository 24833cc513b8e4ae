# SPDX-License-Identifier: Apache-2.0
# Shared by record.sh and run.sh; sourced after tests/e2e/lib.sh.
# shellcheck shell=bash

# What is kept of the reports of one replay: a line that people can read for each revision, and one hash over every
# byte of all of them.  The hash of the rules is left out of it, so that a new rule changes only what it has an effect on.
summary() { # reports
	jq -c '{cause, status, severity, confidence: .confidence.level, headline}' "$1"
	sed 's/"rules_sha256":"[0-9a-f]*"/"rules_sha256":""/' "$1" | sha256sum | cut -d' ' -f1
}

# What is wrong with the diagnosis of any of the faults recorded, one truth a line; "" nothing.
judge_all() { # truths, reports
	local truth verdict
	while read -r truth; do
		verdict=$(judge "$truth" "$2")
		[[ -z $verdict ]] || echo "$(jq -r .fault <<<"$truth"): $verdict"
	done <"$1"
}

blamed_in() { # truths, reports
	local truth
	while read -r truth; do
		blamed_bystander "$truth" "$2"
	done <"$1"
}
