# `make run` starts a private internet to try namewise in; `make test` runs every test. Both set up what they need.
# The other targets are for development.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml
TIME ?= 60
# The gate draws the same cases each time, so that what it says is about the change; `make fuzz` draws new ones.
export PROPTEST_RNG_SEED ?= 1
fuzz-test: export FUZZ_SEED ?= 1

.PHONY: help run test check bench fuzz docs fmt clean rust-lint rust-test python-lint python-test docs-test fuzz-test packages engine

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/engine ## The private internet, a resolver over it and a zone; prints what to ask; until Ctrl-C
	@exec $(BIN)/nw lab up $(ARGS)

test: ## Everything that the gate runs, with how long each part took; may run in the background
	@scripts/gate packages rust-lint engine python-lint rust-test python-test docs-test fuzz-test

check: rust-lint python-lint ## Format, lints, types, import directions, unit tests
	@cargo test --quiet --workspace --exclude nw-py --lib
	@$(BIN)/pytest tests/python tests/boundary

bench: .venv/engine packages ## Side by side with the installed peers (ROW=F1, FULL=1)
	@$(BIN)/python -m bench $(if $(ROW),--row $(ROW)) $(if $(FULL),--full)

fuzz: ## Run each fuzz target for TIME seconds (60)
	@fuzz/run $(TIME)

docs: .venv/engine ## Generated pages: RFC table, configuration, schemas
	@$(BIN)/python scripts/generate

fmt: .venv/tools ## Format everything
	@cargo fmt --all
	@$(BIN)/ruff format python tests scripts bench
	@$(BIN)/ruff check --fix --quiet python tests scripts bench

rust-lint:
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings

rust-test:
	@cargo test --quiet --workspace --exclude nw-py

python-lint: .venv/engine
	@$(BIN)/ruff check --quiet python tests scripts bench
	@$(BIN)/ruff format --quiet --check python tests scripts bench
	@$(BIN)/mypy
	@$(BIN)/python scripts/imports
	@$(BIN)/python scripts/generate --check

python-test: .venv/engine
	@$(BIN)/pytest tests

docs-test: .venv/engine
	@$(BIN)/python scripts/run-docs

fuzz-test:
	@fuzz/run $${FUZZ_SECONDS:-30}

engine: .venv/engine

packages:
	@scripts/debian-packages
	@scripts/external-dns >/dev/null || [ $$? = 3 ] # 3: it cannot be built here

.venv/tools: pyproject.toml scripts/setup
	@scripts/setup tools

.venv/engine: .venv/tools $(RUST_SOURCES)
	@scripts/setup engine

clean: ## Remove what was built
	rm -rf target fuzz/target .venv bench/out dist
