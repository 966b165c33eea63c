#!/bin/sh
# What must be green before every commit; under three minutes on two cores.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
step() { echo "== $*" >&2; }
step format; $bin/ruff format --check --quiet .
step lint; $bin/ruff check --quiet .
step sizes; $bin/python scripts/sizes.py
step "floors and fences"; $bin/lint-imports --no-logo --no-cache >/tmp/ng-imports.$$ 2>&1 || { cat /tmp/ng-imports.$$; rm -f /tmp/ng-imports.$$; exit 1; }; rm -f /tmp/ng-imports.$$
step types; $bin/mypy
step "unit and contract tests"; $bin/python -m pytest -q -n "${JOBS:-2}" -m "not slow and not soak" tests/unit tests/contract tests/docs
