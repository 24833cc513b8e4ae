#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What "make install" puts beside the program, used: the manual page and completion for three shells.
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

# What zsh's functions would be given: they themselves work at a prompt only.
if command -v zsh >/dev/null; then
	script=$work/usr/share/zsh/site-functions/_kwhy
	out=$(zsh -n "$script" 2>&1) && ok "zsh takes its completion" || not_ok "zsh takes its completion" "$out"
	in_zsh() { # words...
		zsh -f -c 'script=$1; shift; words=("$@"); CURRENT=$#
			_describe() { print -rl -- ${(P)2}; }
			_arguments() { print -rl -- "$@"; }
			source $script' _ "$script" "$@"
	}
	zsh_has() { # words..., text
		local text=${*: -1} out
		out=$(in_zsh "${@:1:$#-1}" 2>&1)
		grep -qxF -- "$text" <<<"$out" && ok "zsh: \"${*:1:$#-1}\"" || not_ok "zsh: \"${*:1:$#-1}\"" "$(head -n 3 <<<"$out")"
	}
	zsh_has kwhy inc 'incidents:One line per incident'
	zsh_has kwhy report --j '*--json[JSON; for lists one object a line]'
	zsh_has kwhy report --b '*--bundle=[read this bundle instead of a state directory]:FILE:_files'
	zsh_has kwhy replay --v '*--verify=-[compare with what was reported before (FILE.reports.jsonl)]::[=EXPECTED.jsonl]:_files'
else
	skip "zsh takes its completion" "zsh is not installed"
fi
if command -v fish >/dev/null; then
	script=$work/usr/share/fish/vendor_completions.d/kwhy.fish
	out=$(fish -n "$script" 2>&1) && ok "fish takes its completion" || not_ok "fish takes its completion" "$out"
	fish_offers() { # expected, line
		local got
		got=$(HOME=$work fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$script" "$2" 2>&1 | cut -f1 | sort | tr '\n' ' ')
		[[ $got == "$1" ]] && ok "fish: \"$2\"" || not_ok "fish: \"$2\"" "offers $got"
	}
	fish_offers 'incidents ' 'kwhy inc'
	fish_offers '--state --status ' 'kwhy incidents --st'
	fish_offers '--type ' 'kwhy bpf run --t'
else
	skip "fish takes its completion" "fish is not installed"
fi
