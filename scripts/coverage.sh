#!/bin/sh
# Branch coverage of the suites without the slow ones; fails below the floor in pyproject.toml.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
$bin/coverage erase
# Tracing slows everything and enters what tests start: `make test` decides whether they pass, this only what they reach.
$bin/coverage run -m pytest -q -n "${JOBS:-2}" --dist worksteal -m "not soak and not slow" tests ||
    echo "some tests did not pass under tracing" >&2
$bin/coverage combine --quiet || true
$bin/coverage report
