# Two commands do everything: `make demo` and `make test`. They need Python 3.11 or newer and nothing else.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first interpreter that really runs, is new enough and can make environments: a name on PATH may be
# a shim for a version that is not there.
PYTHON ?= $(shell for p in python3 python3.13 python3.14 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
ONCE ?=
ARGS ?=
FIRST ?= 1
DATABASE ?= sqlite

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-peers bench-api bench-growth bench-metrics bench-events bench-pages bench-retention bench-replicas bench-slow-provider screenshots walk-alerts simulate prove check format serve lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Presshook needs Python 3.11 or newer with the venv and ensurepip modules (Debian: python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## a running service beside a stand-in CloudPress, no settings needed (ONCE=1 ends when all orders are final)
	@$(BIN)/presshook demo $(if $(ONCE),--once)

test: $(STAMP) ## all tests, on SQLite and PostgreSQL (ARGS="-k name" for some)
	$(BIN)/pytest $(ARGS)

bench: bench-peers $(STAMP) ## measures speed: beside the peers, then latency after a callback, start, idle cost
	@$(BIN)/python -W ignore -m tests.bench.limits

bench-peers: $(STAMP) ## measures the service beside the framework alone and beside an afternoon's script
	@$(BIN)/python -W ignore -m tests.bench.beside

bench-api: $(STAMP) ## measures reads of the API at a thousand and at a million orders, and shows their plans
	@$(BIN)/python -W ignore -m tests.bench.api

walk-alerts: $(STAMP) ## makes each alert fire and go under a real Prometheus (Debian's package `prometheus` on the path)
	@$(BIN)/python -W ignore -m tests.contrib.walk

bench-growth: $(STAMP) ## measures orders from their taking in to their end, beside a thousand and beside a million others
	@$(BIN)/python -W ignore -m tests.bench.growth

bench-metrics: $(STAMP) ## measures what metrics cost a callback, and what telling them costs at a million orders
	@$(BIN)/python -W ignore -m tests.bench.metrics

bench-events: $(STAMP) ## measures how soon events are told by stream and webhook, and what open streams cost
	@$(BIN)/python -W ignore -m tests.bench.events

bench-pages: $(STAMP) ## measures the dashboard's pages at a million orders: how long they take, how large they are
	@$(BIN)/python -W ignore -m tests.bench.pages

bench-retention: $(STAMP) ## measures what pruning a million old orders costs callbacks, and what an order takes in bytes (ARGS="--orders 100000")
	@$(BIN)/python -W ignore -m tests.bench.retention $(ARGS)

bench-replicas: $(STAMP) ## measures what an order costs where one, two and four replicas share one PostgreSQL (ARGS="--rounds 1")
	@$(BIN)/python -W ignore -m tests.bench.replicas $(ARGS)

bench-slow-provider: $(STAMP) ## measures 200 orders at a CloudPress that takes a second an answer, and orders beside (ARGS="--orders 1000")
	@$(BIN)/python -W ignore -m tests.bench.slow_provider $(ARGS)

screenshots: $(STAMP) ## pictures of every page of the dashboard, 390 and 1,280 px wide, light and dark (needs chromium)
	@$(BIN)/python -W ignore -m tests.dashboard.screenshots screenshots

simulate: $(STAMP) ## the simulation from many seeds (SEEDS=10000 FIRST=1 DATABASE=sqlite or postgresql)
	@$(BIN)/python -W ignore -m tests.simulation --seeds $(or $(SEEDS),1000) --first $(FIRST) --database $(DATABASE)

prove: $(STAMP) ## every proof, long; hours (SEEDS= POSTGRESQL_SEEDS= ORDERS= EXAMPLES= SEQUENCES=)
	@$(BIN)/python -W ignore -m tests.prove --seeds $(or $(SEEDS),10000) \
		--postgresql-seeds $(or $(POSTGRESQL_SEEDS),500) --orders $(or $(ORDERS),300) \
		--examples $(or $(EXAMPLES),500) --sequences $(or $(SEQUENCES),20000)

check: $(STAMP) ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP) ## put the code into its format and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

serve: $(STAMP) ## the service, with the settings of the environment or .env
	@$(BIN)/presshook serve

lock: requirements/lock.txt ## renew the locked dependencies (UPGRADE=1 to newer releases)
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@set -e; compile="$(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(if $(UPGRADE),--upgrade)"; \
	$$compile pyproject.toml -o requirements/runtime.txt; \
	$$compile --group build -c requirements/runtime.txt -o requirements/build.txt; \
	$$compile pyproject.toml --extra otel --group build --group dev -c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt; \
	$$compile --group lock -o requirements/lock.txt

clean: ## remove environments and caches (never a database)
	rm -rf $(VENV) $(VENV)-lock .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
