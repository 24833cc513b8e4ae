#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The account the unprivileged server runs under when kwhy is started as root (setting serve.user).
set -eu

[ "$(id -u)" -eq 0 ] || exit 0
id -u kwhy >/dev/null 2>&1 && exit 0
if command -v useradd >/dev/null 2>&1; then
	echo "Creating the system user kwhy"
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kwhy
elif command -v adduser >/dev/null 2>&1; then
	echo "Creating the system user kwhy"
	adduser -S -H -D kwhy
else
	echo "Cannot create the system user kwhy: neither useradd nor adduser is here" >&2
	exit 1
fi
