#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What "make install" puts beside the program, used: the manual page and bash's completion.
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/e2e/lib.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/kwhy-help.XXXXXX")
trap 'rm -rf "$work"' EXIT
if ${MAKE:-make} -s BUILD="$BUILD" install DESTDIR="$work" PREFIX=/usr >"$work/log" 2>&1; then ok "make install"; else not_ok "make install" "$(tail -n 3 "$work/log")"; fi
page=$work/usr/share/man/man1/kwhy.1
missing=
for verb in $("$KWHY" help | awk '/^Verbs:/ { on = 1; next } on && /^  [a-z]/ { print $1 } on && NF == 0 { exit }'); do
	grep -q "^\\\\fB$verb\\\\fR" "$page" || missing+=" $verb"
	verbs+=" $verb"
done
[[ -z $missing && ${#verbs} -gt 60 ]] && ok "the manual page has every verb" || not_ok "the manual page has every verb" "not:$missing (of$verbs)"
if command -v groff >/dev/null; then
	out=$(groff -man -Tutf8 -ww "$page" 2>&1 >/dev/null)
	[[ -z $out ]] && ok "groff takes the manual page" || not_ok "groff takes the manual page" "$(head -n 3 <<<"$out")"
else
	skip "groff takes the manual page" "groff is not installed"
fi

complete_line() { # words...: what bash would offer for the last
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kwhy; printf "%s\n" "${COMPREPLY[@]}"' _ \
		"$work/usr/share/bash-completion/completions/kwhy" "$@" | sort | tr '\n' ' '
}
offers() { # expected, words...
	local want=$1 got
	shift
	got=$(complete_line "$@")
	[[ $got == "$want" ]] && ok "completion of \"$*\"" || not_ok "completion of \"$*\"" "offers $got"
}
offers 'incidents ' kwhy inc
offers '--state --status ' kwhy incidents --st
offers '--type ' kwhy bpf run --t
offers ' ' kwhy report 01
