# What a person or the CI does with this repository. `make` alone lists it.

PYTHON ?= python3
VENV ?= .venv
RUNS ?= 10000
ROWS ?= 5000000
ROUNDS ?= 5
PEERS ?= .venv-peers
TESTS ?= tests

PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --root-user-action=ignore
STAMP := $(VENV)/.locked

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up services test crash lint docs format spec bench bench-quick bench-servers lock clean spin-and-gcc

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: $(STAMP)  ## make the virtual environment from the lock
	@:

demo: setup  ## show the promise: load, repeat, reject, stop, kill
	@$(PY) examples/demo.py

up: setup  ## run Rescind here, with everything it writes in ./.rescind
	@$(VENV)/bin/rescind up

services:  ## install the programs of the servers that the tests start for themselves
	@tests/support/servers/install

test: setup  ## run all tests (TESTS=tests/unit for some of them)
	@tests/support/servers/install --if-root || true  # without them the tests of servers are skipped, in CI they fail
	@$(PY) -m pytest $(TESTS)

crash: setup  ## kill processes and servers at random for an hour (RUNS=10000)
	@RESCIND_CRASH_RUNS=$(RUNS) $(PY) -m pytest tests/crash

lint: setup  ## ruff, mypy, the layers, the lock
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo
	@$(PY) -m pytest -q tests/architecture/test_lock.py

docs: setup  ## make the parts of the docs that come from the code
	@$(PY) -m tests.docs.generated

format: setup  ## let ruff format and fix what it can
	@$(VENV)/bin/ruff check --fix --quiet
	@$(VENV)/bin/ruff format

spec: spin-and-gcc  ## check the models of the protocol and their mutants
	@$(PYTHON) spec/check.py

bench: setup $(PEERS)/.locked  ## Rescind beside own clients and others, for docs/benchmarks.md (ROWS=200000 ROUNDS=1)
	@ROWS=$(ROWS) ROUNDS=$(ROUNDS) PEERS_PYTHON=$(PEERS)/bin/python $(PY) -m bench.peers

bench-quick: setup  ## measure speed and memory, paired within one run
	@$(PY) -m bench.quick

bench-servers: setup  ## the same on MariaDB and PostgreSQL: commits, recovery, stops, loads (FIGURES=stops for some)
	@$(PY) -m bench.servers $(FIGURES)

COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-strip-extras --no-emit-index-url --no-header --no-annotate --quiet

lock:  ## make requirements.lock anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock: uv is needed; see https://docs.astral.sh/uv" >&2; exit 1; }
	$(COMPILE) pyproject.toml --extra dev -o requirements.lock
	$(COMPILE) bench/requirements-peers.in -o bench/requirements-peers.lock

clean:  ## take away everything that is not in git but the data of `make up`
	rm -rf $(VENV) $(PEERS) .rescind-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PEERS)/.locked: bench/requirements-peers.lock
	@echo "Setting up $(PEERS) (a minute or two) …"
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-input --root-user-action=ignore \
	  --require-hashes -r bench/requirements-peers.lock
	@touch $@

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 setup" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (a minute or two) …"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $(STAMP)

# spin writes the checker in C, so both are needed. Installed only where nobody has to be asked.
spin-and-gcc:
	@if command -v spin >/dev/null && command -v gcc >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing spin and gcc …"; \
	  apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends spin gcc libc6-dev >/dev/null; \
	else echo "make spec needs spin and gcc; on Debian or Ubuntu: sudo apt-get install spin gcc libc6-dev" >&2; exit 1; fi
