#!/bin/sh
# Renew the hashed requirement files. No file names a registry.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
compile="$uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate"
# Tests run against the real provider libraries, so what they need holds every extra. The core follows it: whoever
# installs an extra later must not have to move the core's versions.
$compile pyproject.toml requirements/dev.in --all-extras -o requirements/dev.txt
$compile pyproject.toml -c requirements/dev.txt -o requirements/core.txt
$compile requirements/build.in -o requirements/build.txt
