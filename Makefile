# Everything runs from .venv, which is made on the first call and again when the locked requirements change.

PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
LOCK := deploy/requirements/dev.txt
INSTALLED := $(VENV)/installed-$(firstword $(shell cat $(LOCK) pyproject.toml | cksum))

# Without bytecode every start compiles a hundred thousand lines again.
unexport PYTHONDONTWRITEBYTECODE

# Tests that kill what they start, and wait until it is back.
KILLING := tests/chaos tests/embedded/test_supervisor.py tests/embedded/test_development.py
# Tests that need a Docker engine.
DEPLOYING := tests/deploy

.DEFAULT_GOAL := help
.PHONY: help setup run serve check test chaos test-deploy bench smoke-live lock

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: $(INSTALLED) ## development: page on port 3000, API on 8000, servers and worker included
	@$(BIN)/aistudio run $(ARGS)

serve: $(INSTALLED) ## production build: page and API on PORT (8000), servers and worker included
	@$(BIN)/aistudio serve --port $(PORT) $(ARGS)

check: $(INSTALLED) ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# Most of their time the tests wait, so two processes take half of it; a file, with its servers, stays in one.
test: $(INSTALLED) ## tests, with real servers and a real browser
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(addprefix --ignore=,$(KILLING) $(DEPLOYING)) $(ARGS)

chaos: $(INSTALLED) ## crash tests: everything is killed, together and one by one, in the middle of runs
	@$(BIN)/python -m pytest $(KILLING) $(ARGS)

test-deploy: $(INSTALLED) ## the deployment on a real Docker engine, which is installed for it (as root)
	@tests/deploy/install_engine.sh
	@$(BIN)/python -m pytest $(DEPLOYING) $(ARGS)

bench: $(INSTALLED) ## how fast it is, as a table and as JSON in benchmarks/results/
	@$(BIN)/python -m benchmarks $(ARGS)

smoke-live: $(INSTALLED) ## one template over the real model endpoint; needs a key in the environment or .env
	@$(BIN)/python -m benchmarks.smoke_live

lock: $(INSTALLED) ## write the locked requirements anew from pyproject.toml
	@$(BIN)/uv pip compile -q $(UPGRADE) $(LOCK_OPTIONS) pyproject.toml -o deploy/requirements/base.txt
	@$(BIN)/uv pip compile -q $(UPGRADE) $(LOCK_OPTIONS) --extra build \
	  -c deploy/requirements/base.txt pyproject.toml -o deploy/requirements/build.txt
	@$(BIN)/uv pip compile -q $(UPGRADE) $(LOCK_OPTIONS) --extra embedded --extra dev \
	  -c deploy/requirements/base.txt pyproject.toml -o $(LOCK)

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

setup: $(INSTALLED) ## what the others do first: .venv with everything that is locked

# uv installs in seconds what takes pip half a minute, and pip is there for networks that only pip is set up for.
$(INSTALLED):
	@set -e; python=$$(for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if command -v $$name >/dev/null && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))'; \
	  then command -v $$name; break; fi; done); \
	if [ -z "$$python" ]; then \
	  echo "AI Studio needs Python 3.11 or newer, and no python3 here is that new. Install one and try again." >&2; \
	  exit 1; \
	fi; \
	rm -f $(VENV)/installed-*; \
	if ! $(BIN)/pip --version >/dev/null 2>&1; then \
	  echo "aistudio: Making $(VENV) with $$python" >&2; \
	  if ! $$python -m venv --clear $(VENV); then \
	    echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	  fi; \
	fi; \
	echo "aistudio: Installing what $(LOCK) names" >&2; \
	awk '/^uv==/ { on = 1 } on { print } on && !/\\$$/ { exit }' $(LOCK) \
	  | $(BIN)/pip install -q --disable-pip-version-check --require-hashes --no-deps -r /dev/stdin || true; \
	$(BIN)/uv pip install -q -p $(VENV) --require-hashes --no-deps -r $(LOCK) \
	  || $(BIN)/pip install -q --require-hashes --no-deps -r $(LOCK); \
	$(BIN)/uv pip install -q -p $(VENV) --no-deps --no-build-isolation --editable . \
	  || $(BIN)/pip install -q --no-deps --no-build-isolation --editable .
	@touch $@
