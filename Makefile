# News Service. `make help` lists what there is.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Where torch's CPU build comes from; empty: from wherever pip is configured to look.
TORCH_INDEX ?=
PYTEST_ARGS ?=
# Generated requests to each operation of the API, beside those that every run sends.
FUZZ_EXAMPLES ?= 350

.DEFAULT_GOAL := help
.PHONY: help run test fuzz check fmt worker bench servers

help: ## List these commands.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.cpu ## Set up, serve on http://127.0.0.1:8002 (PORT=…) and analyse the watched companies at once.
	@$(BIN)/python manage.py migrate --verbosity 0
	@exec $(BIN)/python manage.py serve

test: $(VENV)/.dev servers ## Set up and run all tests, on a private Redis and Postgres.
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.dev ## Lint, formatting, types, layers, dependencies, migrations.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/hadolint Dockerfile.cpu Dockerfile.gpu
	$(BIN)/shellcheck -x *.sh containers/*.sh tests/*.sh .ci/run
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

fmt: $(VENV)/.dev ## Format the code and mend what can be mended.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev servers ## Run every benchmark in its quick form.
	@for name in $(basename $(notdir $(filter-out %/__init__.py,$(wildcard benchmarks/*.py)))); do \
		echo "== $$name"; $(BIN)/python -m benchmarks.$$name --quick || exit 1; done

fuzz: $(VENV)/.dev ## Hold the API against its schema with more than 5,000 generated requests.
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/test_fuzz_the_api.py -n 0 -s

worker: $(VENV)/.cpu ## Run a worker and its schedule (needs REDIS_URL; without Redis, `make run` has both inside).
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py sync_schedule
	@exec $(BIN)/celery -A newsservice worker --beat --loglevel INFO

servers: ## Install Redis and PostgreSQL for the tests where they are missing and root may.
	@tests/install_servers.sh

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first and alone: a later requirement would take the CUDA build, gigabytes of it.
$(VENV)/.cpu: requirements/base.txt requirements/cpu.txt requirements/constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	@$(BIN)/python -c "import torch, sys; sys.exit('torch is a CUDA build; set TORCH_INDEX to the CPU index of PyTorch' if torch.version.cuda else 0)"
	$(BIN)/pip install --quiet -r requirements/cpu.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.cpu requirements/dev.txt
	$(BIN)/pip install --quiet -r requirements/dev.txt
	@touch $@
