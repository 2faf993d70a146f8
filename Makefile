# The commands of this repository. Each one does its own setup and installs nothing outside the clone.
# Required: make, Python 3.11 to 3.14 (with venv) and a package index. PYTHON=... selects another Python.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UPGRADE ?= --upgrade
LOCK := $(BIN)/uv pip compile pyproject.toml --group dev --extra all --extra sandbox --no-annotate --no-header --quiet $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help test coverage demo airflow bench docs lint contracts words workflows format release-check screenshots lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

$(READY): .ci/newest.txt pyproject.toml .ci/venv .ci/python
	@.ci/venv $(VENV) .ci/newest.txt
	@touch $@

test: $(READY) ## all tests (ARGS="tests/tables -x" for some)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

coverage: $(READY) ## all tests, with line and branch coverage (build/coverage/index.html)
	@rm -f .coverage .coverage.*
	@$(MAKE) --no-print-directory test ARGS="--cov --cov-report= $(ARGS)"
	@$(BIN)/coverage html --quiet --directory build/coverage
	@$(BIN)/coverage report

demo: $(READY) ## run the sandbox and an example DAG, and print the loaded rows and files
	@$(BIN)/python -m airflow_provider_openesg.sandbox.local_airflow.demo

airflow: $(READY) ## start Airflow's UI with the sandbox, Connections and the example DAGs
	@$(BIN)/python -m airflow_provider_openesg.sandbox.local_airflow.ui

bench: $(READY) ## measure decoding, 2,000 waits, and loads compared with other tools (30 minutes; ARGS="--help")
	@$(BIN)/python tests/bench/decode.py
	@$(BIN)/python tests/bench/waits.py
	@$(BIN)/python tests/bench/requesting.py
	@$(BIN)/python tests/bench/pull.py $(ARGS)

docs: $(READY) ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file .mkdocs.yml
	@echo "Built: site/index.html"

lint: $(READY) contracts words workflows ## ruff, mypy, deptry, import contract, words, workflows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/deptry .

contracts: $(READY) ## check the import contract of pyproject.toml
	@$(BIN)/lint-imports --no-logo

words: $(READY) ## check the text of the package, the docs and the tests for refused words
	@$(BIN)/python .ci/words.py

workflows: $(READY) ## check the GitHub workflows (zizmor; actionlint if it is installed)
	@$(BIN)/zizmor --offline --quiet .github
	@if command -v actionlint >/dev/null; then actionlint; fi

format: $(READY) ## fix and format the code with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

release-check: $(READY) ## build wheel and sdist of the last commit, install both in clean environments
	@.ci/release_check $(OUTPUT)

screenshots: $(READY) ## make the pictures of Airflow's UI, into docs/img/ (requires Chromium)
	@$(BIN)/python docs/screenshots.py

lock: $(READY) ## update .ci/newest.txt and .ci/oldest.txt (UPGRADE= only adds what is missing)
	@$(LOCK) --python-version 3.11 --universal --output-file .ci/newest.txt
	@# Airflow 2.11 allows versions of universal-pathlib that its ObjectStoragePath does not support.
	@printf '%s\n' 'apache-airflow==2.11.0' 'universal-pathlib<0.3' | \
		$(LOCK) --python-version 3.11 --constraints - --output-file .ci/oldest.txt

clean: ## remove all files that these commands create
	@rm -rf .venv .venv-oldest .venv-newest .demo .airflow .bench site dist build
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	@find . -name __pycache__ -type d -not -path "./.git/*" -prune -exec rm -rf {} +
