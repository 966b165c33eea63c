# Each target sets up .venv by itself when it is missing or older than the locks.
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: help try test check coverage bench peers soak mutate lock format clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): pyproject.toml requirements/dev.txt requirements/build.txt scripts/setup.sh
	@sh scripts/setup.sh

try: $(STAMP) ## run the demo mission on a copy of the sample project
	@$(VENV)/bin/nextgen try

check: $(STAMP) ## format, lint, types, floors and fences, sizes, unit and contract tests
	@JOBS=$(JOBS) sh scripts/check.sh

test: $(STAMP) ## everything: checks and all suites
	@JOBS=$(JOBS) sh scripts/test.sh

coverage: $(STAMP) ## branch coverage, with its floor
	@JOBS=$(JOBS) sh scripts/coverage.sh

bench: $(STAMP) ## the figures of docs/performance.md (make peers first, for those beside other libraries)
	@$(PY) -m benchmarks

peers: ## an environment outside the repository with the libraries that make bench compares with
	@sh scripts/peers.sh

soak: $(STAMP) ## the long figures: kill loops, floods, leaks
	@$(PY) -m pytest -m soak -p no:cacheprovider --timeout=7200 tests

mutate: $(STAMP) ## mutation testing of the risk engine, the validator and the approval check
	@$(PY) scripts/mutate.py --code 200 --tables 60 --minutes 20

format: $(STAMP) ## format and fix
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

lock: ## renew the hashed locks from pyproject.toml (needs uv)
	@sh scripts/lock.sh

clean: ## remove what the targets made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* .hypothesis build dist
