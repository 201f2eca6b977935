# `make demo` and `make test` are each enough on a fresh machine: they set up what they need.

BIN := .venv/bin
# Tests wait for real time more than they compute: three at once use two cores well.
JOBS ?= 3
# Further words for the command: make demo ARGS=--once, make test ARGS="-k scene"
ARGS ?=
BENCH ?= $(sort $(wildcard benchmarks/[a-z]*.py))

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint check-types check-format check-imports bench screenshots clean

help:  ## this list
	@echo "Earmark: teach a box to recognise your sounds."
	@echo
	@grep -hE '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | \
		sed -E 's/^([a-z]+):.*## /  make \1|/' | awk -F'|' '{printf "%-17s %s\n", $$1, $$2}'
	@echo
	@echo "  ARGS=... adds options, as in: make demo ARGS=--once"

setup:  ## install the system packages and .venv with everything in it (the others call it)
	@scripts/setup.sh

demo:  ## watch a box learn sounds and hear them, without a microphone (4 minutes)
	@scripts/setup.sh
	@$(BIN)/earmark demo $(ARGS)

test:  ## format, types, import rules and every test
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint:  ## format, types and import rules only
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync check-types check-format check-imports

check-types:
	$(BIN)/mypy
check-format:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
check-imports:
	$(BIN)/lint-imports

bench:  ## measure the figures that are claimed (hours); BENCH=benchmarks/library.py for one
	@scripts/setup.sh bench
	@failed=0; for script in $(BENCH); do \
		echo "== $$script"; $(BIN)/python $$script $(ARGS) || failed=1; \
	done; exit $$failed

screenshots:  ## make the pictures of the terminal UI in docs/pictures anew (minutes)
	@scripts/setup.sh test
	$(BIN)/python scripts/tui_pictures.py $(ARGS)

clean:  ## remove .venv and what tools left here; recordings and models stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
