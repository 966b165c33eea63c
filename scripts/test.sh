#!/bin/sh
# Everything: the checks, all suites in parallel, branch coverage. Under 25 minutes on two cores.
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
step "branch coverage"
# The tests have passed: this pass only measures, without the slow ones, and tracing may make a timing fail.
$bin/coverage erase
$bin/coverage run -m pytest -q -n "${JOBS:-2}" --dist worksteal -m "not soak and not slow" tests >.coverage.log 2>&1 ||
    tail -n 20 .coverage.log
$bin/coverage combine --quiet
$bin/coverage report --format=total >.coverage.total || { $bin/coverage report; exit 1; }
echo "branch coverage: $(cat .coverage.total) %" >&2
