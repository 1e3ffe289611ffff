PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SET ?= compare-attention
FACTOR ?= 20
DEVICE ?= cpu

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo compare test attack check format docs site bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed ## Train a toy translator without and with attention, and draw what differs (under 10 minutes)
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo

compare: $(VENV)/.installed ## Train a set of variants and score them together (SET=compare-captions OPTIONS="--seeds 1,2,3")
	$(BIN)/attncli compare $(SET) $(OPTIONS)

test: check ## Run the checks and every test, and report branch coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --cov --cov-report=term

attack: check ## Try hostile inputs for minutes, new ones each time (FACTOR="20" times as many as in make test)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m attack --attack $(FACTOR)

check: $(VENV)/.installed-dev ## Check format, lint and types, in seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## Format the code, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev ## Write docs/reference/ and the JSON Schema from the code: keys of configurations, and commands
	$(BIN)/python -m attncli.config.schema
	$(BIN)/python -m attncli.config.reference docs/reference/configuration
	$(BIN)/python -m attncli.cli.reference docs/reference/commands

site: $(VENV)/.installed-dev ## Build the documentation into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

bench: $(VENV)/.installed-dev ## Measure the speed of training and of decoding (DEVICE=cuda; OPTIONS="--only quality": the time to a BLEU)
	$(BIN)/python benchmarks/bench.py --device $(DEVICE) $(OPTIONS)

clean: ## Remove the virtual environment, caches and build outputs; runs/ and data/ stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -not -path './data/*' -not -path './runs/*' -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed; name one with make PYTHON=..." if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed
