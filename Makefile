# What a clone can do, with nothing but Python 3.11 (with venv) and make on the machine. `make` alone lists it.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# The first demo waits for the runtime's packages only; tests and checks add the rest to the same environment.
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed

PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		&& { echo $$python; break; }; done)

# Each worker has a PostgreSQL of its own; tests of one file, which share brokers or a whole system, run in one of them. Part of the tests runs in one process: it can be debugged.
WORKERS := --numprocesses logical --maxprocesses 4 --dist loadfile

COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' --group build $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check bench kafka kafka-stop lock clean

help: ## List what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV) ## Install everything into .venv (demo, up, test, check and bench do it by themselves)

demo: $(RUNTIME) ## Play a simulated distributor and show its warnings; make demo ARGS=--exit ends after the stories
	$(BIN)/forewarn demo $(ARGS)

up: $(RUNTIME) ## Run the whole system on this machine; ARGS are passed on, for example ARGS='--port 9000'
	$(BIN)/forewarn up $(ARGS)

test: $(DEV) ## Run the tests and say what was left out; ARGS are pytest's, for example ARGS=tests/orders
	$(BIN)/python -m pytest $(or $(ARGS),$(WORKERS))

check: $(DEV) ## Lint, formatting, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(DEV) ## Measure speed against raw baselines; one of them: make bench ARGS=ingest
	@for name in $(or $(ARGS),$$(grep -l '__main__' benchmarks/*.py | xargs -n1 basename -s .py)); do \
		echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit; done

kafka: ## Run a Kafka broker on this machine (Java 17, Maven); three of them: make kafka ARGS='--brokers 3'
	scripts/kafka start $(ARGS)

kafka-stop: ## End the brokers of make kafka; their data stay
	scripts/kafka stop

lock: $(DEV) ## Lock the packages of pyproject.toml with their hashes; newer ones: make lock ARGS=--upgrade
	$(COMPILE) --output-file requirements/runtime.txt
	$(COMPILE) --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt

clean: ## Remove .venv, caches and builds; the data of the system (.forewarn) stay
	rm -rf $(VENV) build dist *.egg-info benchmarks/results
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find forewarn services shared tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Forewarn needs Python 3.11 or newer with venv, and found none." \
		"Install it, or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

$(RUNTIME): requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "Installing Forewarn into $(VENV) ..."
	@$(PIP) install --require-hashes --requirement requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements/dev.txt $(RUNTIME)
	@echo "Installing what tests and checks need into $(VENV) ..."
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@
