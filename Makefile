# Every job of the project is one target. `make help` lists them.
.DEFAULT_GOAL := help
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3 python; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$candidate" && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

RUN_LOCK := requirements/run.txt requirements/build.txt
DEV_LOCK := requirements/dev.txt requirements/peers.txt

.PHONY: bench-exchange bench-wire help install install-dev run test lint format clean lock

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo "aster-operator needs Python 3.11 or newer; none was found. Set PYTHON=/path/to/python3.11" >&2; exit 2; fi
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
	@exec $(BIN)/python -m pytest $(ARGS)

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
	echo ccxt | uv pip compile - --no-deps --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-header --no-annotate -o requirements/peers.txt

bench-wire: install-dev  ## Measure the exchange client against its limits and its peers (ARGS=--json for lines)
	@exec $(BIN)/python benchmarks/bench_wire.py $(ARGS)

bench-exchange: install-dev  ## Measure the embedded exchange against its limits (ARGS=--json for lines)
	@exec $(BIN)/python benchmarks/bench_exchange.py $(ARGS)

clean:  ## Remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
