# Commands of the project; `make help` lists them.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.synced
PEERS := benchmarks/.venv
UV := uv==0.13.9
QNET := $(BIN)/python -m workflow
CORES ?= all
COUNTING :=
# names as they were typed, whatever they hold: expanded neither by make nor, within "$$BIDS", by the shell
override BIDS := $(value BIDS)
override DATASET := $(value DATASET)
override RUN := $(value RUN)
override CONFIG := $(value CONFIG)
export BIDS DATASET RUN CONFIG
STUDY = $(if $(BIDS),--config "bids_dir=$$BIDS" "dataset=$${DATASET:-mine}",--configfile config/demo.yaml)
export NO_ET := 1
export NIPYPE_NO_ET := 1
export NO_ALBUMENTATIONS_UPDATE := 1
unexport PYTHONDONTWRITEBYTECODE  # a run starts a process a job: each would compile the project's files anew

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

.PHONY: venv
venv: $(STAMP) ## build .venv from the hashed lock

$(STAMP): requirements.lock
	python3 -c 'import sys; assert sys.version_info >= (3, 11), f"expected Python 3.11 or newer, found {sys.version.split()[0]}"'
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet $(UV)
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		--build-constraints requirements.lock requirements.lock
	ln -sf ../../workflow/q-net $(BIN)/q-net
	touch $@

.PHONY: demo
demo: $(STAMP) ## simulated cohort: raw echoes to report, results/simulated/report.html
	$(QNET) run --cores $(CORES) --configfile config/demo.yaml

.PHONY: check
check: $(STAMP) ## check your data before a run: make check BIDS=folder [DATASET=name]
	$(QNET) check --cores $(CORES) $(STUDY)

.PHONY: plan
plan: $(STAMP) ## jobs, core-hours, memory and disk that a run would need: make plan [BIDS=folder DATASET=name] [ARGS="--configfile config/paper.yaml"]
	$(QNET) plan --cores $(CORES) $(STUDY) $(ARGS)

.PHONY: why
why: $(STAMP) ## what would run and why, in words: make why [BIDS=folder DATASET=name] [ARGS=…]
	$(QNET) why $(STUDY) $(ARGS)

.PHONY: verify
verify: $(STAMP) ## compare results with the checksums of their jobs: make verify [RUN=results/name]
	$(QNET) verify $(if $(RUN),"$$RUN")

.PHONY: prepare
prepare: $(STAMP) ## prepare for nodes without internet access: make prepare [CONFIG=config/paper.yaml] [DOWNLOAD=1]
	$(QNET) prepare $(if $(CONFIG),--configfile "$$CONFIG") $(if $(DOWNLOAD),--download)

.PHONY: container
container: $(STAMP) ## write q-net.def, an Apptainer definition of the locked environment; build it if apptainer is installed
	$(QNET) container > q-net.def
	if command -v apptainer; then apptainer build q-net.sif q-net.def; else echo "q-net.def written; apptainer is not installed"; fi

.PHONY: test
test: $(STAMP) ## linters, types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(MAKE) --no-print-directory --jobs=2 check-types run-tests

.PHONY: check-types
check-types: $(STAMP)
	$(BIN)/snakemake --lint
	$(BIN)/mypy recon qnet

.PHONY: run-tests
run-tests: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 3 --dist loadgroup --no-loadscope-reorder $(COUNTING)

.PHONY: coverage
coverage: COUNTING := --cov --cov-report=
coverage: run-tests ## the tests, and the share of lines that they run; files of the smallest share
	@echo "the tests run $$($(BIN)/coverage report --format=total) % of the lines of recon, qnet and workflow/lib"
	$(BIN)/coverage report --skip-covered --skip-empty --sort=cover | tail -n 25

.PHONY: wheel
wheel: $(STAMP) ## build the package, dist/q_net-*.whl; after pip install, q-net works from any folder
	$(BIN)/python -m hatchling build -t wheel

.PHONY: train-inversion
train-inversion: $(STAMP) ## train the network of dipole_inversion.method: unrolled anew, to resources/ (a quarter of an hour of one core)
	$(BIN)/python -m benchmarks.inversion_volumes build/inversion
	$(BIN)/python -m qnet.networks.train_inversion build/inversion resources/unrolled.safetensors

.PHONY: train-deepqsm
train-deepqsm: $(STAMP) ## train the network of dipole_inversion.method: deepqsm anew, to resources/ (ten minutes of one core)
	$(BIN)/python -m benchmarks.inversion_volumes build/deepqsm --for deepqsm
	$(BIN)/python -m qnet.networks.train_direct deepqsm build/deepqsm resources/deepqsm.safetensors

.PHONY: train-qsmnet
train-qsmnet: $(STAMP) ## train the network of dipole_inversion.method: qsmnet anew, to resources/ (ten minutes of one core)
	$(BIN)/python -m benchmarks.inversion_volumes build/qsmnet --for qsmnet
	$(BIN)/python -m qnet.networks.train_direct qsmnet build/qsmnet resources/qsmnet.safetensors

.PHONY: train-encoder
train-encoder: $(STAMP) ## train the encoder that measures nuclei anew, to resources/ (a quarter of an hour of one core)
	$(BIN)/python -m benchmarks.encoder_heads build/encoder
	$(BIN)/python -m qnet.networks.train_encoder build/encoder resources/encoder.safetensors

.PHONY: train-segmentation
train-segmentation: $(STAMP) ## train the network of locate_nuclei.method: network anew, to resources/ (a quarter of an hour of one core)
	$(BIN)/python -m benchmarks.segmentation_volumes build/segmentation
	$(BIN)/python -m qnet.networks.train_segmentation build/segmentation resources/segmentation.safetensors

.PHONY: bench
bench: $(STAMP) $(PEERS)/.synced ## time, memory and accuracy of every stage, to benchmarks/results/
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.generalisation
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.planning

$(PEERS)/.synced: benchmarks/requirements.lock $(STAMP)
	-python3 -m venv $(PEERS) && \
		$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes $< && touch $@

.PHONY: lock
lock: ## update the locks from pyproject.toml and benchmarks/requirements.in
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --python-version 3.11 \
		--group dev pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --python-version 3.11 \
		benchmarks/requirements.in --output-file benchmarks/requirements.lock

.PHONY: config-readme
config-readme: ## write config/README.md from the config and its schema
	$(BIN)/python -m workflow.lib.setup.config_table

.PHONY: clean
clean: ## remove the simulated results and caches, keep .venv and results of your own data
	rm -rf results/simulated .snakemake .pytest_cache .ruff_cache .mypy_cache .coverage dist

.PHONY: clean-work
clean-work: ## remove stage outputs (work/) of all results; maps, models, tables and reports stay
	rm -rf results/*/work

.PHONY: docs
docs: $(STAMP) ## build the documentation: docs/_build/html/index.html
	$(BIN)/python -m sphinx -q --fail-on-warning --keep-going docs docs/_build/html
