# Each target sets up what it needs: a fresh machine wants only Python 3.11, make, gcc, node and npm.
SHELL   := /bin/bash
PYTHON  ?= python3
CONFIG  ?= config/monitor.toml
UV_PIN  := 0.13.9
BIN     := .venv/bin
BENCH   := .venv-bench/bin
WORKERS ?= 2

.PHONY: setup run test check soak bench lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml Makefile
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_PIN)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m monitor.engine.warm
	@touch $@

run: setup
	@exec $(BIN)/monitor run --config $(CONFIG)

test: setup
	$(BIN)/pytest -n $(WORKERS) tests

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile

# The slower suite: thousands of groups over a whole tape, more random kills.
soak: setup
	$(BIN)/pytest -n $(WORKERS) -m soak tests

# Ours and its peers, side by side, with packages of their own; QUICK=1 runs fewer rounds, in less than five minutes.
bench: .venv-bench/.ready
	$(BENCH)/python -m bench.run $(if $(filter 1,$(QUICK)),--quick)

.venv-bench/.ready: requirements.lock requirements-bench.lock pyproject.toml Makefile
	@test -x $(BENCH)/python || $(PYTHON) -m venv .venv-bench
	@test -x $(BENCH)/uv || $(BENCH)/pip install --quiet --disable-pip-version-check uv==$(UV_PIN)
	@$(BENCH)/uv pip install --quiet --python $(BENCH)/python --require-hashes --requirement requirements.lock --requirement requirements-bench.lock
	@$(BENCH)/uv pip install --quiet --python $(BENCH)/python --no-deps --editable .
	@touch $@

lock: setup
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --generate-hashes --no-header --output-file requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --extra bench --constraint requirements.lock --generate-hashes --no-header --output-file requirements-bench.lock

clean:
	rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache
