#!/bin/sh
# Renew the hashed requirement files. No file names a registry.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
compile="$uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate"
$compile pyproject.toml -o requirements/core.txt
$compile pyproject.toml requirements/dev.in -c requirements/core.txt -o requirements/dev.txt
$compile requirements/build.in -o requirements/build.txt
