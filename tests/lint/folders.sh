#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The include table of ARCHITECTURE.md: which folder may include which, and which folders own an external library's
# headers.  Prints each offence as FILE:LINE: why.
set -u
cd "$(dirname "$0")/../.." || exit 2

declare -A may=(
	[base]="base"
	[schema]="schema"
	[bpf]="schema bpf"
	[collect]="base schema collect"
	[aggregate]="base schema aggregate"
	[analyze]="base schema analyze"
	[web]="base analyze web"
	[cli]="base schema collect aggregate analyze web cli"
	[tests]="base schema bpf collect aggregate analyze web cli tests"
)

# Header pattern, then its owners.  Tests and the command line may use any.
owners=(
	'bpf/|libbpf|collect bpf'
	'linux/bpf|the bpf system call|collect bpf'
	'gelf.h|libelf|collect'
	'libelf.h|libelf|collect'
	'libiberty/|libiberty|collect'
	'sqlite3|sqlite3|aggregate analyze'
	'microhttpd|libmicrohttpd|web'
	'gnutls|GnuTLS|web'
	'jansson|jansson|aggregate analyze web cli'
	'yaml.h|libyaml|analyze'
	'curl/|libcurl|aggregate analyze'
	'cmocka|cmocka|tests'
	'fuse|libfuse|tests'
)

bad=0
offence() {
	echo "$1: $2"
	bad=1
}

check_project_include() { # folder, file:line, header
	local folder=$1 where=$2 header=$3 target=${3%%/*} allowed
	if [[ $header != */* ]]; then
		# A private header beside its users is only for tests; elsewhere names start at the root.
		[[ $folder == tests ]] || offence "$where" "\"$header\": write includes from the project's root"
		return
	fi
	for allowed in ${may[$folder]}; do
		[[ $allowed == "$target" ]] && return
	done
	offence "$where" "$folder/ may not include $target/ (\"$header\")"
}

check_system_include() { # folder, file:line, header
	local folder=$1 where=$2 header=$3 entry pattern name who owner
	[[ $folder == tests || $folder == cli ]] && return
	for entry in "${owners[@]}"; do
		IFS='|' read -r pattern name who <<<"$entry"
		[[ $header == "$pattern"* ]] || continue
		for owner in $who; do
			[[ $owner == "$folder" ]] && return
		done
		offence "$where" "$folder/ may not use $name (<$header>); it belongs to: $who"
	done
}

for folder in "${!may[@]}"; do
	[[ -d $folder ]] || continue
	while IFS=: read -r file line text; do
		[[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*([\"\<])([^\"\>]+) ]] || continue
		if [[ ${BASH_REMATCH[1]} == '"' ]]; then
			check_project_include "$folder" "$file:$line" "${BASH_REMATCH[2]}"
		else
			check_system_include "$folder" "$file:$line" "${BASH_REMATCH[2]}"
		fi
	done < <(grep -rnE --include='*.[ch]' --include='*.def' '^[[:space:]]*#[[:space:]]*include' "$folder")
done
exit "$bad"
