#!/bin/sh
# Everything: the checks, all suites in parallel. Under 25 minutes on two cores.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
sh scripts/needs.sh
step() { echo "== $*" >&2; }
step format; $bin/ruff format --check --quiet .
step lint; $bin/ruff check --quiet .
step sizes; $bin/python scripts/sizes.py
step "floors and fences"; $bin/lint-imports --no-logo --no-cache
step types; $bin/mypy
step "all suites"
$bin/python -m pytest -q -n "${JOBS:-2}" --dist worksteal -m "not soak" tests
