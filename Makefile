# What people type and what CI runs are the same verbs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Every statement of ours is sent by some of these.
STATEMENTS := tests/stores tests/end_to_end/test_moves.py tests/end_to_end/test_stages.py \
              tests/end_to_end/test_way_back.py tests/end_to_end/test_data_findings.py

.PHONY: demo test test-long test-older bench lint format schemas examples clean

demo: $(READY)
	@$(BIN)/restow demo

# Two workers, each with servers of its own: most of the time is the start of programs.
test: $(READY)
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

# The longest runs: dead before and after every single effect, for all pairs of drivers.
test-long: $(READY)
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m long $(ARGS)

# On the oldest PostgreSQL that the servers' package brings.
test-older: $(READY)
	@PGSERVER_POSTGRES_VERSION=16 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(STATEMENTS) $(ARGS)

# Beside rclone, s5cmd and a bare obstore; 40 minutes on a machine that does nothing else. ARGS="--quick" to try it.
bench: $(VENV)/.bench-ready
	@$(BIN)/python -m bench $(ARGS)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The published JSON Schemas, generated from the models; a test fails when they are out of date.
schemas: $(READY)
	@$(BIN)/python -m schemas.publish

# The golden plans of examples/, made anew; a test fails when they are out of date. Review what changed.
examples: $(READY)
	@$(BIN)/python -m tests.examples.write

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# One environment for all verbs, made anew only when the dependencies change.
$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/.bench-ready: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@
