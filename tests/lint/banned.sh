#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Calls that have a better replacement here.  Tests may run programs; the product may not through a shell.
set -u
cd "$(dirname "$0")/../.." || exit 2

bad=0
ban() { # function, why
	local hits
	hits=$(grep -nE "(^|[^A-Za-z0-9_.>\"])$1[[:space:]]*\(" -r --include='*.[ch]' \
		base collect aggregate analyze web cli 2>/dev/null | grep -vE ':[0-9]+:[[:space:]]*(\*|/\*|//)')
	[[ -n $hits ]] || return
	while read -r hit; do
		echo "$hit  <- $1: $2"
	done <<<"$hits"
	bad=1
}

ban popen "no shell; read the file or speak the protocol"
ban system "no shell; fork and execve with fixed arguments"
ban strcpy "unbounded; use strbuf or memcpy with a checked length"
ban strcat "unbounded; use strbuf"
ban sprintf "unbounded; use snprintf or strbuf_addf"
ban vsprintf "unbounded; use vsnprintf"
ban gets "unbounded"
ban strtok "keeps state in a global; use strsep or strcspn"
ban gmtime "keeps state in a global; use gmtime_r"
ban localtime "keeps state in a global; use localtime_r"
ban atoi "does not report errors; use strtol"
ban alloca "unbounded stack"
ban rand "no randomness worth the name; use getrandom"
exit "$bad"
