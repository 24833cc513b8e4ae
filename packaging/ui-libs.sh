#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# ui-libs.sh DIR FILE...: fetches what web/ui/package-lock.json names with npm and puts those files of node_modules into
# DIR/web/static as they were published, their licences beside them.  DIR/list has what is there, and is written only when
# that changed.  Once there they need no network until the lock changes.  Where npm or its registry cannot be had DIR stays
# without them, which is said and no failure: the program is whole but for what they do; the next build tries again.
set -eu

dir=$1
shift
mkdir -p "$dir"

# What was fetched, by the lock and the files asked for.
wanted=$({ cat web/ui/package-lock.json; echo "$*"; } | cksum)
have() { [ "$wanted" = "$(cat "$dir/wanted" 2>/dev/null)" ]; }

without() {
	echo "Going on without uPlot, Preact and htm: $1.  Charts will be plain drawings until a build can fetch them." >&2
	return 1
}

fetch() {
	rm -rf "$dir/web" "$dir/wanted" "$dir/licenses"
	cp web/ui/package.json web/ui/package-lock.json "$dir/"
	command -v npm >/dev/null 2>&1 || without "npm is not installed" || return 1
	# After a failure it is asked first whether there is a registry: a network that swallows packets costs seconds.
	if [ -e "$dir/failed" ] && ! timeout 5 npm ping --fetch-retries=0 >"$dir/npm.log" 2>&1 </dev/null; then
		without "npm still has no registry, see $dir/npm.log" || return 1
	fi
	echo "  NPM     web/ui/package-lock.json"
	if ! timeout 120 npm ci --prefix "$dir" --omit=dev --ignore-scripts --no-audit --no-fund --prefer-offline \
		--fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000 >"$dir/npm.log" 2>&1 </dev/null; then
		touch "$dir/failed"
		without "npm could not fetch them, see $dir/npm.log" || return 1
	fi
	rm -f "$dir/failed"
}

if ! have && fetch; then
	mkdir -p "$dir/web/static"
	for file; do
		package=${file%%/*}
		cp "$dir/node_modules/$file" "$dir/web/static/${file##*/}"
		grep -qx "== $package ==" "$dir/licenses" 2>/dev/null && continue
		printf '== %s ==\n\n' "$package" >>"$dir/licenses"
		cat "$dir/node_modules/$package/LICENSE" >>"$dir/licenses"
		printf '\n' >>"$dir/licenses"
	done
	mv "$dir/licenses" "$dir/web/static/licenses.txt"
	echo "$wanted" >"$dir/wanted"
fi

{ ! have || cksum "$dir"/web/static/*; } >"$dir/list.new"
if cmp -s "$dir/list.new" "$dir/list"; then rm "$dir/list.new"; else mv "$dir/list.new" "$dir/list"; fi
