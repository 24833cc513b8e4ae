#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh PACKAGE...: installs those of the Debian packages that are missing, and says which.
set -eu

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
	echo "Not a Debian system: please see to it that the equivalents of these packages are there:"
	echo "  $*"
	exit 0
fi

missing=
for package; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	case $status in
	*not-installed* | '') missing="$missing $package" ;;
	*installed*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "Missing packages; as root, run: apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	as_root="sudo"
fi

echo "Installing Debian packages:$missing"
install_missing() {
	# Word splitting is wanted: one argument per package, and no argument when root.
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if install_missing >"$log" 2>&1; then
	exit 0
fi
# A fresh machine has no package lists yet, an old one may have stale ones.
# shellcheck disable=SC2086
$as_root apt-get update -qq </dev/null >"$log" 2>&1 || true
if ! install_missing >"$log" 2>&1; then
	cat "$log" >&2
	echo "apt-get could not install:$missing" >&2
	exit 1
fi
