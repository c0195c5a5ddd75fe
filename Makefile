# `make` prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMMA := ,
USUAL := dev$(COMMA)verify
# CI checks our answers against other people's programs as well; elsewhere those tests skip themselves.
EXTRAS := $(USUAL)$(if $(CI),$(COMMA)oracles$(COMMA)spark)
STAMP := $(VENV)/installed-$(EXTRAS)
PIP_QUIET := --quiet --disable-pip-version-check
CHECKS := $(VENV)/checks
RUNNING := $(VENV)/running
# What the product consists of, for tools that look through it.
PRODUCT := core schemas rules web audit notices cases accounts catalog gateway matters supervision hotline commands demo \
	$(wildcard *.py)
# What of the default suite CI plays on PostgreSQL as well: search, grants, accounts, counts, tickets, the data plane.
ON_POSTGRESQL := tests/accounts/test_sessions.py tests/accounts/test_managing.py tests/cases/test_procedure.py tests/cases/test_sweep.py \
	tests/catalog/test_finding.py tests/catalog/test_life.py tests/gateway/test_grants_over_http.py tests/gateway/test_oauth.py \
	tests/gateway/test_plane_judgement.py tests/gateway/test_plane_possession.py tests/hotline/test_life.py \
	tests/hotline/knowledge/test_finding.py tests/notices/test_inbox.py tests/supervision/test_rollup.py
SEMGREP := $(CHECKS)/bin/semgrep scan --metrics=off --disable-version-check

help: ## Print what can be made.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with everything that running and testing need.

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=...)"; exit 1; }
	@echo "Installing into $(VENV); the first time takes about a minute."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_QUIET) --no-compile -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $(STAMP) $(VENV)/installed-$(USUAL)

run: install ## Set up the demo city, start everything, play the story over HTTP, stay up.
	$(BIN)/shuxiang demo

test: install ## The default test suite (under two minutes).
	$(BIN)/python -m pytest

test-all: test ## Every test: also the long ones, a browser and the real processes.
	$(BIN)/python -m pytest -n $$(($$(nproc) + 1)) --no-loadscope-reorder -m '(long or browser or servers) and not night'

test-night: install ## What takes minutes and is in no other suite: kill loops, the whole month, every question on a cluster.
	$(BIN)/python -m pytest --no-loadscope-reorder -m night

test-postgresql: install ## The default suite with its state in PostgreSQL: one of its own, or that of TEST_DATABASE_URL.
	SHUXIANG_TEST_DATABASE=postgresql $(BIN)/python -m pytest

lean-postgresql: install ## What CI plays of it.
	SHUXIANG_TEST_DATABASE=postgresql $(BIN)/python -m pytest $(ON_POSTGRESQL)

lint: install ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(CHECKS)/installed: checks/requirements.txt
	@echo "Installing the scanners into $(CHECKS)."
	@test -x $(CHECKS)/bin/python || $(PYTHON) -m venv $(CHECKS)
	$(CHECKS)/bin/python -m pip install $(PIP_QUIET) --no-compile -r checks/requirements.txt
	@touch $@

scan: $(CHECKS)/installed ## Look for weaknesses: bandit, and rules of our own for semgrep.
	$(CHECKS)/bin/python checks/bandit_findings.py $(PRODUCT)
	PATH="$(CHECKS)/bin:$$PATH" $(SEMGREP) --test --quiet checks/semgrep
	PATH="$(CHECKS)/bin:$$PATH" $(SEMGREP) --error --quiet --config checks/semgrep/rules.yaml $(PRODUCT)

$(RUNNING)/installed: checks/running.txt
	@test -x $(RUNNING)/bin/python || $(PYTHON) -m venv $(RUNNING)
	$(RUNNING)/bin/python -m pip install $(PIP_QUIET) --no-compile --no-deps -r checks/running.txt
	@touch $@

scan-running: $(STAMP) $(RUNNING)/installed ## Attack the running product: testssl.sh, sqlmap, wapiti (ten minutes).
	$(BIN)/python -m checks.scan_running

sbom: $(STAMP) $(CHECKS)/installed ## Write sbom.cdx.json: everything that is installed (CycloneDX 1.6).
	$(CHECKS)/bin/python checks/sbom.py $(BIN)/python sbom.cdx.json

audit-dependencies: $(STAMP) $(CHECKS)/installed ## Ask whether what we pin is known to be vulnerable.
	$(CHECKS)/bin/python checks/audit_dependencies.py

fuzz: $(STAMP) $(CHECKS)/installed ## Ask the running API 5,000 things that it allows or forbids.
	$(BIN)/python -m pytest -n 0 -s -m fuzz tests/servers/test_fuzz.py

check: lint scan test-all lean-postgresql ## Everything that CI checks.
	$(BIN)/shuxiang rulebook check
	$(BIN)/shuxiang check

bench: install ## Measure the data plane beside its peers.
	$(BIN)/python -m bench

bench-peers: ## Install what `make bench` measures itself against and Debian does not have: datasette.
	@test -x var/peers/bin/python || $(PYTHON) -m venv var/peers
	var/peers/bin/python -m pip install $(PIP_QUIET) 'datasette==0.65.5'

constraints: ## Renew constraints.txt from the newest releases.
	rm -rf $(VENV)/fresh && $(PYTHON) -m venv $(VENV)/fresh
	$(VENV)/fresh/bin/python -m pip install $(PIP_QUIET) '.[dev,verify,oracles,spark]'
	( echo '# What `make install` installs, exactly; renewed by `make constraints`.'; \
	  $(VENV)/fresh/bin/python -m pip freeze --exclude shuxiang ) > constraints.txt
	rm -rf $(VENV)/fresh

clean: ## Remove the demo's state and everything built.
	rm -rf var build dist sbom.cdx.json *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: help install run test test-all test-night test-postgresql lean-postgresql lint scan scan-running sbom audit-dependencies fuzz check bench bench-peers constraints clean
