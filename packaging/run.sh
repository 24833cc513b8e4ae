#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# "make run" ends here: starts kwhy in the foreground, as root when it may.  Without root it runs with what it has and
# keeps its state in the user's home.
set -eu

kwhy=${BUILD:-build}/kwhy
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null 2>&1 && sudo -v; then
	sudo sh packaging/service-user.sh
	exec sudo "$kwhy" up --state "${STATE:-/var/lib/kwhy}" --listen "${LISTEN:-127.0.0.1:7070}" "$@"
fi
if [ -z "${STATE:-}" ]; then
	STATE=/var/lib/kwhy
	[ "$(id -u)" -eq 0 ] || STATE=${XDG_STATE_HOME:-$HOME/.local/state}/kwhy
fi
exec "$kwhy" up --state "$STATE" --listen "${LISTEN:-127.0.0.1:7070}" "$@"
