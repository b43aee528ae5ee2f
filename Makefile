# Every job of the project is one target. `make help` lists them.
.DEFAULT_GOAL := help
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3 python; do \
	"$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo "$$candidate" && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
TEST_WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

RUN_LOCK := requirements/run.txt requirements/build.txt
DEV_LOCK := requirements/dev.txt requirements/peers.txt
AUDIT := build/audit
DEEP_TESTS := tests/execution/test_execution_machine.py tests/exchange/test_garbage.py \
	tests/backtest/test_validation_study.py

.PHONY: audit bench-dashboard bench-exchange bench-lab bench-wire dist help install install-dev run sbom site test test-slow lint format clean lock

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo "aster-operator needs Python 3.11, 3.12 or 3.13; none was found. Set PYTHON=/path/to/python3.11" >&2; exit 2; fi
	@echo "Creating $(VENV) with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run-installed: $(RUN_LOCK) pyproject.toml | $(VENV)/bin/python
	@echo "Installing Aster Operator into $(VENV) (first time: about a minute)" >&2
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/run.txt >&2
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable . >&2
	@touch $@

$(VENV)/.dev-installed: $(DEV_LOCK) $(VENV)/.run-installed
	@echo "Installing the test tools into $(VENV)" >&2
	@$(PIP) install --require-hashes -r requirements/dev.txt >&2
	@# Programs we test against pin all they use to one version each; they run with ours instead.
	@$(PIP) install --require-hashes --no-deps -r requirements/peers.txt >&2
	@touch $@

install: $(VENV)/.run-installed  ## Prepare .venv with what running needs
	@:

install-dev: $(VENV)/.dev-installed  ## Prepare .venv with the test tools too
	@:

run: install  ## Play a day of real minutes on the embedded exchange (flags: make run ARGS="--json")
	@exec $(BIN)/aster-operator demo $(ARGS)

test: install-dev  ## Run the whole test suite
	@# A file stays with one worker, for what its tests share; the longest go first (tests/conftest.py).
	@# Bytecode is kept even where the environment asks for none: dozens of tests start the program anew.
	@unset PYTHONDONTWRITEBYTECODE
	@exec $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: install-dev  ## Run what installs packages or whole systems and the deep campaigns too (minutes, the registries)
	@SLOW_TESTS=1 exec $(BIN)/python -m pytest tests/packaging tests/deploy $(DEEP_TESTS) $(ARGS)

lint: install-dev  ## Run ruff, mypy --strict and the floor contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: install-dev  ## Format the code and sort imports
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: install-dev  ## Pin and hash all dependencies anew (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-header --no-annotate --upgrade -o requirements/run.txt
	uv pip compile pyproject.toml --group dev -c requirements/run.txt --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate --upgrade -o requirements/dev.txt
	uv pip compile pyproject.toml --extra gcp --extra postgres -c requirements/dev.txt -c requirements/run.txt \
		--universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header \
		--no-annotate --upgrade -o deploy/gce/requirements.txt
	printf '%s\n' cyclonedx-bom pip-audit | uv pip compile - --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-header --no-annotate --upgrade -o requirements/audit.txt
	echo ccxt | uv pip compile - --no-deps --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-header --no-annotate -o requirements/peers.txt

bench-wire: install-dev  ## Measure the exchange client against its limits and its peers (ARGS=--json for lines)
	@exec $(BIN)/python benchmarks/bench_wire.py $(ARGS)

bench-lab: install-dev  ## Measure the lab against vectorbt and pandas (ARGS=--json for lines)
	@exec $(BIN)/python benchmarks/bench_lab.py $(ARGS)

bench-exchange: install-dev  ## Measure the embedded exchange against its limits (ARGS=--json for lines)
	@exec $(BIN)/python benchmarks/bench_exchange.py $(ARGS)

dist: install  ## Build one wheel and one source archive into dist/
	@rm -rf dist
	@$(BIN)/python -m hatchling build -d dist >&2
	@ls dist

$(AUDIT)/.installed: requirements/audit.txt | $(VENV)/bin/python
	@$(BIN)/python -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/audit.txt >&2
	@touch $@

audit: $(AUDIT)/.installed  ## Ask the advisory database about every pinned package (needs the network)
	@exec $(BIN)/python tools/audit_packages.py --pip-audit $(AUDIT)/bin/pip-audit $(ARGS) requirements/run.txt requirements/dev.txt

sbom: dist $(AUDIT)/.installed  ## Install the wheel alone, write its bill of materials (CycloneDX) and its size
	@$(BIN)/python -m venv --clear --without-pip build/wheel
	@$(PIP) --python build/wheel/bin/python install --require-hashes -r requirements/run.txt >&2
	@$(PIP) --python build/wheel/bin/python install --no-deps --no-index dist/*.whl >&2
	@$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/aster-operator.cdx.json build/wheel/bin/python
	@du -sm build/wheel | awk '{print "base install: " $$1 " MB"}'
	@echo "bill of materials: build/aster-operator.cdx.json"

bench-record: install-dev  ## Measure the recorder against CSV files (ARGS=--json for lines)
	@exec $(BIN)/python benchmarks/bench_record.py $(ARGS)

bench-dashboard: install-dev  ## Measure the dashboard under load in a browser (needs Chromium; ARGS=--json for lines)
	@exec $(BIN)/python benchmarks/bench_dashboard.py $(ARGS)

site: install-dev  ## Build the documents as a site into build/site
	@$(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

clean:  ## Remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
