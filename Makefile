# `make` prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMMA := ,
# CI checks our answers against other people's programs as well; elsewhere those tests skip themselves.
EXTRAS := dev$(if $(CI),$(COMMA)oracles$(COMMA)spark)
STAMP := $(VENV)/installed-$(EXTRAS)
PIP_QUIET := --quiet --disable-pip-version-check

help: ## Print what can be made.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with everything that running and testing need.

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=...)"; exit 1; }
	@echo "Installing into $(VENV); the first time takes about a minute."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_QUIET) --no-compile -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $(STAMP) $(VENV)/installed-dev

run: install ## Set up the demo city, start everything, play the story over HTTP, stay up.
	$(BIN)/shuxiang demo

test: install ## The default test suite (under two minutes).
	$(BIN)/python -m pytest

test-all: test ## Every test: also the long ones, a browser and the real processes.
	$(BIN)/python -m pytest --no-loadscope-reorder -m 'long or browser or servers'

lint: install ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test-all ## Everything that CI checks.
	$(BIN)/shuxiang rulebook check
	$(BIN)/shuxiang check

bench: install ## Measure the data plane beside a peer.
	$(BIN)/python -m bench

constraints: ## Renew constraints.txt from the newest releases.
	rm -rf $(VENV)/fresh && $(PYTHON) -m venv $(VENV)/fresh
	$(VENV)/fresh/bin/python -m pip install $(PIP_QUIET) '.[dev,oracles,spark]'
	( echo '# What `make install` installs, exactly; renewed by `make constraints`.'; \
	  $(VENV)/fresh/bin/python -m pip freeze --exclude shuxiang ) > constraints.txt
	rm -rf $(VENV)/fresh

clean: ## Remove the demo's state and everything built.
	rm -rf var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: help install run test test-all lint check bench constraints clean
