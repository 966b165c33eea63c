#!/bin/sh
# Branch coverage of the suites without the slow ones; fails below the floor in pyproject.toml.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
$bin/coverage erase
$bin/coverage run -m pytest -q -n "${JOBS:-2}" --dist worksteal -m "not soak and not slow" tests
$bin/coverage combine --quiet || true
$bin/coverage report
