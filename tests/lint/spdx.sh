#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every source file names its licence in its first lines; programs for the kernel are GPL-2.0-only.
set -u
cd "$(dirname "$0")/../.." || exit 2

bad=0
while read -r file; do
	case $file in
	bpf/*.c | bpf/*.h | tests/bpf/*.bpf.c) wanted='GPL-2.0-only|Apache-2.0' ;;
	*) wanted='Apache-2.0' ;;
	esac
	[[ $file == bpf/*.c ]] && wanted='GPL-2.0-only'
	if ! head -n 3 "$file" | grep -qE "SPDX-License-Identifier:.*($wanted)"; then
		echo "$file: no SPDX line with $wanted in its first three lines"
		bad=1
	fi
done < <(find Makefile base schema bpf collect aggregate analyze web cli tests packaging .ci \
	-name node_modules -prune -o -type f \( -name '*.[chS]' -o -name '*.def' -o -name '*.sh' -o -name '*.sql' \
	-o -name '*.yaml' -o -name '*.js' -o -name '*.mjs' -o -name '*.css' -o -name '*.service' -o -name Makefile \
	-o -path '.ci/run' \) -print 2>/dev/null | grep -v '^tests/.*/\(corpus\|fixtures\|data\)/' | sort)
exit "$bad"
