#!/bin/sh
# What the tests talk to: Redis, PostgreSQL, a browser. What is on the machine, else Debian's packages where root
# may install them.
set -eu

missing=
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-nanum"
command -v pgrep >/dev/null 2>&1 || missing="$missing procps"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing ..."
    # No server of the package's own is started.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "MISSING:$missing. Tests that need them will say that they did not run." >&2
fi
