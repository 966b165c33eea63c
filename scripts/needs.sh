#!/bin/sh
# What the tests need beyond Python: bubblewrap (confinement) and ripgrep (search).
# With CI=true they are installed where apt-get is there; elsewhere their absence is said, and the tests that need
# bubblewrap are reported as not run.
set -eu
missing=""
command -v bwrap >/dev/null 2>&1 || missing="$missing bubblewrap"
command -v rg >/dev/null 2>&1 || missing="$missing ripgrep"
[ -n "$missing" ] || exit 0
if [ "${CI:-}" = true ] && command -v apt-get >/dev/null 2>&1; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "Not installed:$missing. To run every test: apt-get install$missing (or your system's packages)." >&2
fi
