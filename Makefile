# Everything here runs on a fresh machine; `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
T ?=
SECONDS ?= 600
# Tests that repeat something many times: a little in `test`, in full in `test-real`.
STORMS := flows/test_wrong_types flows/test_hostile_text flows/test_forged_tokens cli/test_interrupted cli/test_memory\
 cli/test_one_refresh cli/test_disk cli/test_streams cli/test_foreign_code unit/oauth/test_signatures\
 unit/store/test_every_moment fuzz/test_fuzz
CAN_MAKE_VENV = $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot set up\
 pip in a virtual environment: install python3-venv (apt-get install python3-venv)" >&2; exit 1; }

.PHONY: help demo test fuzz test-real bench lint format build check clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build  ## sign in to an embedded server, print the report, run again from the stored token
	@$(PYTHON) tests/demo.py

test: $(VENV)/test  ## run the tests (one: make test T=name)
	@$(VENV)/bin/python -m pytest $(if $(T),-k '$(T)',-p tests.in_processes)

fuzz:  ## mutate all that comes from outside, for a long time (make fuzz SECONDS=60)
	@$(PYTHON) tests/fuzz/fuzz.py --seconds $(SECONDS)

test-real: $(VENV)/test build  ## the same against real counterparts (installs what is missing), and every storm
	@PYTHON=$(PYTHON) tests/real/install
	@STORMS=full $(VENV)/bin/python -m pytest tests/real $(STORMS:%=tests/%.py) $(if $(T),-k '$(T)')

bench: build  ## what a run costs, in ratios: to a bare interpreter and to AuthGate's SDK example
	@$(CAN_MAKE_VENV)
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r tests/bench/requirements.txt \
	    || echo "The SDK example cannot be installed; there is nothing to compare the report with."
	@$(PYTHON) tests/bench/bench.py --sdk .venv-bench

lint: $(VENV)/lint  ## ruff and mypy
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

format: $(VENV)/lint  ## put every line where ruff wants it
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

build:  ## write dist/authgate.pyz and its checksum
	@$(PYTHON) build.py

check: lint test  ## lint, tests, and two builds with equal bytes
	@$(PYTHON) build.py dist/first.pyz && $(PYTHON) build.py dist/second.pyz && cmp dist/first.pyz dist/second.pyz
	@rm dist/first.pyz* dist/second.pyz*

clean:  ## remove what the targets made
	rm -rf dist $(VENV) .venv-* .roots .keycloak .pytest_cache .mypy_cache .ruff_cache tests/real/oidc_provider/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/python:
	@$(CAN_MAKE_VENV)
	@$(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/test: $(VENV)/python tests/requirements.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt && touch $@

$(VENV)/lint: $(VENV)/test tests/requirements-lint.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-lint.txt && touch $@
