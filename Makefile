# The commands of this repository. Each does all of its set-up, and installs nothing outside the clone.
# Needed on the machine: make, Python 3.11 to 3.14 (with venv) and a package index. PYTHON=... chooses another Python.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := $(BIN)/uv pip compile pyproject.toml --extra dev --no-annotate --no-header --upgrade --quiet

.DEFAULT_GOAL := help
.PHONY: help test demo airflow bench docs lint format screenshots lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

$(READY): .ci/newest.txt pyproject.toml .ci/venv .ci/python
	@.ci/venv $(VENV) .ci/newest.txt
	@touch $@

test: $(READY) ## all tests (ARGS="tests/tables -x" for some)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

demo: $(READY) ## sandbox -> Airflow DAG -> DuckDB and Parquet, and what came of it
	@$(BIN)/python -m airflow_provider_openesg.sandbox.local_airflow.demo

airflow: $(READY) ## Airflow's UI with the sandbox, Connections and example DAGs in place
	@$(BIN)/python -m airflow_provider_openesg.sandbox.local_airflow.ui

bench: $(READY) ## what it costs: JSON to Arrow, 2,000 waits, pulls beside other ways (half an hour; ARGS="--help")
	@$(BIN)/python tests/bench/decode.py
	@$(BIN)/python tests/bench/waits.py
	@$(BIN)/python tests/bench/requesting.py
	@$(BIN)/python tests/bench/pull.py $(ARGS)

docs: $(READY) ## the documentation, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file .mkdocs.yml
	@echo "Built: site/index.html"

lint: $(READY) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

screenshots: $(READY) ## pictures of Airflow's UI, into docs/img/ (needs Chromium)
	@$(BIN)/python docs/screenshots.py

lock: $(READY) ## resolve .ci/newest.txt and .ci/oldest.txt anew
	@$(LOCK) --python-version 3.11 --universal --output-file .ci/newest.txt
	@# Airflow 2.11 allows a universal-pathlib that its ObjectStoragePath does not work with; its own constraints do not.
	@printf '%s\n' 'apache-airflow==2.11.0' 'universal-pathlib<0.3' | \
		$(LOCK) --python-version 3.11 --constraints - --output-file .ci/oldest.txt

clean: ## remove what these commands made
	@rm -rf .venv .venv-oldest .venv-newest .demo .airflow .bench site dist build
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path "./.git/*" -prune -exec rm -rf {} +
