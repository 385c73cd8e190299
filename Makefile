# `make repro` and `make test` do their own set-up in .venv; nothing else on the machine is touched.
SHELL := /bin/bash
VENV := .venv
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed
PEERS := .peers
PEERS_INSTALLED := $(PEERS)/.installed
FORMATS := .formats
FORMATS_INSTALLED := $(FORMATS)/.installed
DOCS := .docs
DOCS_INSTALLED := $(DOCS)/.installed
STACK := .stack
STACK_INSTALLED := $(STACK)/.installed
RAIL := .rail
RAIL_INSTALLED := $(RAIL)/.installed
AUDIT := .audit
AUDIT_INSTALLED := $(AUDIT)/.installed
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
# What only tests and checks use; the images do without.
DEV ?= requirements/dev.txt
LOCKS := $(wildcard requirements/*.txt)
# An index or a directory of wheels with another build of torch, PyTorch's for CPUs say (README).
TORCH_INDEX ?=
PYTHON = $(shell for p in python3.11 python3.12 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null \
	&& { command -v "$$p"; break; }; done)
TEST_WORKERS ?= 2

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONNOUSERSITE := 1
export OMP_WAIT_POLICY := PASSIVE
export RAY_USAGE_STATS_ENABLED := 0
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR := false
export BENTOML_DO_NOT_TRACK := true
export BENTOML_HOME ?= $(CURDIR)/.ojala/bentoml

.PHONY: help install requirements lint type test audit repro deps tune peers formats rail ui serve bento docs docs-links \
	docs-figures torch-choice image test-images test-faults fuzz up down stack test-stack
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

install: $(INSTALLED) ## make .venv with every package pinned, and the project in it

requirements: $(LOCKED) ## the packages alone, without the project

# What there is is not made anew without a word, and a wish is not passed over without one.
torch-choice:
	@test -z "$(TORCH_INDEX)" -o ! -e $(LOCKED) || test "$$(cat $(LOCKED))" = "$(TORCH_INDEX)" || { \
		echo "make: $(VENV) holds torch from elsewhere than TORCH_INDEX: remove $(VENV) first" >&2; exit 1; }

$(LOCKED): $(LOCKS) | torch-choice
	@test -x $(VENV)/bin/python || test -n "$(PYTHON)" || { \
		echo "make: neither Python 3.11 nor 3.12 was found; install python3.11 and its venv" >&2; exit 1; }
	@test -x $(VENV)/bin/python || "$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
		echo "make: $(PYTHON) cannot make a virtual environment; install its venv package" >&2; exit 1; }
	$(PIP) install --quiet --upgrade pip
	TORCH_INDEX="$(TORCH_INDEX)" requirements/torch.sh "$(CURDIR)/$(VENV)/bin/python"
	$(PIP) install --quiet --progress-bar off --no-deps -r requirements/lock.txt
	$(PIP) install --quiet --progress-bar off --no-deps --no-build-isolation \
		$(addprefix -r ,requirements/templates.txt $(DEV))
	@printf '%s' "$(TORCH_INDEX)" > $@

$(INSTALLED): $(LOCKED) pyproject.toml $(wildcard requirements/*.py)
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(VENV)/bin/python requirements/relocatable.py
	@test -e .git || $(VENV)/bin/dvc config --local core.no_scm true
	@touch $@

lint: $(INSTALLED) ## ruff: rules and format
	ruff check .
	ruff format --check .
	hadolint Dockerfile

type: $(INSTALLED) ## mypy, strict
	mypy ojala serving pipelines rail_ojala

test: lint type ## all that must hold: lint, types, tests
	OMP_NUM_THREADS=1 python -m pytest -n $(TEST_WORKERS) --dist worksteal

$(AUDIT_INSTALLED): requirements/audit/requirements.txt
	"$(PYTHON)" -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r $<
	@touch $@

# Strict: what could not be looked up is no package without faults.
audit: $(AUDIT_INSTALLED) ## known faults of the pinned packages, and a list of them all (CycloneDX)
	mkdir -p build
	$(AUDIT)/bin/cyclonedx-py requirements requirements/lock.txt --output-file build/sbom.json
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip \
		--requirement requirements/torch.txt --requirement requirements/lock.txt

repro: $(INSTALLED) ## the whole of OJALA, from survey files to a registered model and a catalogue
	python -m pipelines.params params.yaml
	python -m pipelines.registry.store
	dvc repro
	@# What DVC took from its cache MLflow may not know of: this registers it, or does nothing.
	python -m pipelines.register

tune: $(INSTALLED) ## a search for the settings of train, on demand (docs/tune.md)
	python -m pipelines.params params.yaml
	python -m pipelines.registry.store
	dvc repro tune/dvc.yaml

# An environment of its own for packages beside the project's, from which it takes all others.
define beside
	$(VENV)/bin/python -m venv $(1)
	packages="import sysconfig; print(sysconfig.get_path('purelib'))"; \
	own="$$($(1)/bin/python -c "$$packages")"; \
	realpath --relative-to="$$own" "$$($(VENV)/bin/python -c "$$packages")" > "$$own/project.pth"
	$(1)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r $(2)
	@touch $@
endef

$(PEERS_INSTALLED): benchmarks/peers/requirements.txt $(INSTALLED)
	$(call beside,$(PEERS),$<)

$(STACK_INSTALLED): pipelines/stack/requirements.txt $(INSTALLED)
	$(call beside,$(STACK),$<)

$(DOCS_INSTALLED): docs/requirements.txt $(INSTALLED)
	$(call beside,$(DOCS),$<)

$(RAIL_INSTALLED): rail_ojala/requirements.txt $(INSTALLED)
	$(call beside,$(RAIL),$<)

peers: $(PEERS_INSTALLED) ## what else an astronomer would use, scored on the same rows
	$(PEERS)/bin/python -m benchmarks.peers $(if $(wildcard models/ojala),--bundle models/ojala)

# Readers of others' formats, LSDB and qp, in an environment of their own: nothing here imports them.
$(FORMATS_INSTALLED): tests/publish/requirements.txt $(INSTALLED)
	$(VENV)/bin/python -m venv $(FORMATS)
	$(FORMATS)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps \
		-r tests/publish/requirements.txt
	@touch $@

formats: $(FORMATS_INSTALLED) ## what ojala publish writes, opened by LSDB and qp
	OMP_NUM_THREADS=1 python -m pytest -rs tests/publish

rail: $(RAIL_INSTALLED) ## the stages of RAIL, on RAIL's base classes and metrics
	OMP_NUM_THREADS=1 $(RAIL)/bin/python -m pytest tests/rail_ojala

ui: $(INSTALLED) ## the MLflow UI: runs side by side, registered versions
	@python -c "import socket; socket.create_server(('127.0.0.1', $${PORT:-5000}))" 2>/dev/null || { \
		echo "make ui: nothing can listen on port $${PORT:-5000}, it is taken (choose another: make ui PORT=5001)" >&2; \
		exit 1; }
	@# What there is is checked, and mended where the project was moved; MLflow makes what there is not.
	@test -z "$$MLFLOW_TRACKING_URI" -a ! -e mlflow.db || python -m pipelines.registry.store
	mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$$PWD/mlflow.db}" \
		--port $${PORT:-5000}

serve: $(INSTALLED) ## a service of the registered model on PORT, 3000 (docs/service.md)
	@python -m serving

bento: $(INSTALLED) ## a Bento of the service with the champion inside (docs/service.md)
	@python -m serving.bento

TARGET ?= serve
IMAGE_SETTINGS = IMAGE BASE GPU_BASE GPU_BUILD_BASE TORCH_INDEX PIP_CONF APT_CONF CERTIFICATES BUILDER BUILD_OPTIONS
export $(IMAGE_SETTINGS)

image: ## an image by docker, podman or buildah: TARGET=serve, train-cpu, train-gpu or registry
	infra/build_image "$(TARGET)"

test-faults: $(INSTALLED) ## kill trainings on real Ray clusters, and finish them (minutes each)
	OJALA_TEST_FAULTS=1 OMP_NUM_THREADS=1 python -m pytest -p no:cacheprovider -rs tests/faults

EXAMPLES ?= 200

fuzz: $(INSTALLED) ## ask the service what schemathesis makes up: EXAMPLES=200 of each kind (minutes)
	OJALA_FUZZ_EXAMPLES=$(EXAMPLES) OMP_NUM_THREADS=1 python -m pytest -p no:cacheprovider -rs \
		tests/serving/test_schemathesis.py

test-images: $(INSTALLED) ## build serve and train-cpu with buildah, and use them (docs/cluster.md)
	OJALA_TEST_IMAGES=1 python -m pytest -p no:cacheprovider -rs tests/infra/test_images.py

COMPOSE = docker compose --env-file infra/stack.env --file infra/compose/compose.yaml

up: ## the whole stack in containers, on this machine (docs/cluster.md)
	infra/compose/make_secrets
	$(COMPOSE) up --detach --wait

down: ## stop the stack; its volumes keep what it knows
	$(COMPOSE) down

stack: $(STACK_INSTALLED) ## the same as processes on the loopback, until Ctrl-C (docs/stack.md)
	@exec python -m pipelines.stack

test-stack: $(STACK_INSTALLED) ## start it, run the pipeline on it, and break it (docs/stack.md)
	OJALA_TEST_STACK=1 OMP_NUM_THREADS=1 python -m pytest -p no:cacheprovider -rs -s tests/stack \
		tests/faults/test_servers.py

deps: $(INSTALLED) ## write the lists of code in dvc.yaml from what each stage imports
	python -m pipelines.stage_code

docs: $(DOCS_INSTALLED) ## the site of docs/ in build/docs: any warning is an error
	$(DOCS)/bin/python -m sphinx -W --keep-going -b html docs build/docs

docs-links: $(INSTALLED) ## whether every link of README and docs/ leads somewhere
	python docs/links.py

docs-figures: $(INSTALLED) ## the figures of docs/, from the simulated sky
	ojala sky-figures data/simulated --out docs/figures

