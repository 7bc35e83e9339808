# Commands of the project; `make help` lists them.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.synced
PEERS := benchmarks/.venv
UV := uv==0.13.9
CORES ?= all
export NO_ET := 1
export NIPYPE_NO_ET := 1
export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

.PHONY: venv
venv: $(STAMP) ## build .venv from the hashed lock

$(STAMP): requirements.lock
	python3 -c 'import sys; assert sys.version_info >= (3, 11), f"expected Python 3.11 or newer, found {sys.version.split()[0]}"'
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet $(UV)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	touch $@

.PHONY: demo
demo: $(STAMP) ## simulated cohort: raw echoes to report, results/simulated/report.html
	$(BIN)/snakemake --cores $(CORES)

.PHONY: check
check: $(STAMP) ## look at your data before a run: make check BIDS=folder [DATASET=name]
	$(BIN)/snakemake check --cores $(CORES) --quiet rules host reason progress --config $(if $(BIDS),"bids_dir=$(BIDS)" dataset=$(or $(DATASET),mine))

.PHONY: test
test: $(STAMP) ## linters and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint
	$(BIN)/pytest

.PHONY: bench
bench: $(STAMP) $(PEERS)/.synced ## time, memory and accuracy of every stage, to benchmarks/results/
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.training

$(PEERS)/.synced: benchmarks/requirements.lock $(STAMP)
	-python3 -m venv $(PEERS) && \
		$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes $< && touch $@

.PHONY: lock
lock: ## resolve the locks anew from pyproject.toml and benchmarks/requirements.in
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --python-version 3.11 \
		--group dev pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --python-version 3.11 \
		benchmarks/requirements.in --output-file benchmarks/requirements.lock

.PHONY: config-readme
config-readme: ## write config/README.md from the config and its schema
	$(BIN)/python -m workflow.lib.config_table

.PHONY: clean
clean: ## remove the simulated results and caches, keep .venv and results of your own data
	rm -rf results/simulated .snakemake .pytest_cache .ruff_cache

.PHONY: clean-work
clean-work: ## remove stage outputs (work/) of all results; maps, models, tables and reports stay
	rm -rf results/*/work
