# Every target does its own set-up in .venv and is quick when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_BENCH := $(VENV)/.installed-bench
TORCH_VERSION := $(shell sed -n 's/^torch==//p' constraints.txt)
# Which build of torch, as pip's own first choice on Linux is gigabytes of CUDA everywhere: cpu, cuda, or auto: what is
# installed, else CUDA where an NVIDIA driver is.
TORCH ?= auto
TORCH_INSTALLED := $(patsubst $(VENV)/.torch-%,%,$(wildcard $(VENV)/.torch-*))
TORCH_FOUND = $(shell test -e /proc/driver/nvidia/version || nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
TORCH_BUILD := $(if $(filter auto,$(TORCH)),$(or $(TORCH_INSTALLED),$(TORCH_FOUND)),$(filter cpu cuda,$(TORCH)))
$(if $(TORCH_BUILD),,$(error TORCH=$(TORCH): must be auto, cpu or cuda))
IMAGES := components/images

.PHONY: install demo test test-faults test-containers lint compile docs bench clean

install: $(INSTALLED)

# torch first and alone: nothing later pulls in another build.
$(INSTALLED): pyproject.toml setup.py constraints.txt $(VENV)/.torch-$(TORCH_BUILD)
	@$(PIP) --editable '.[train,cluster]'
	@echo "torch $$($(BIN)/python $(IMAGES)/torch_build.py $(TORCH_BUILD))"
	@touch $@

$(VENV)/.torch-$(TORCH_BUILD): constraints.txt $(IMAGES)/torch_wheel.sh | $(BIN)/python
	@echo "installing into $(VENV), torch for $(TORCH_BUILD) (a few minutes the first time)"
	@arguments=$$($(IMAGES)/torch_wheel.sh $(BIN)/python $(TORCH_VERSION) $(TORCH_BUILD)) && $(PIP) --no-deps $$arguments
	@rm -f $(VENV)/.torch-*
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("python %d.%d: must be >= 3.11; set PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED_DEV): $(INSTALLED)
	@$(PIP) --editable '.[train,cluster,server,dev]'
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED_DEV)
	@$(PIP) --editable '.[train,cluster,server,dev,bench]'
	@touch $@

# The folder stays: a second demo reuses what the first one trained.
demo: $(INSTALLED)
	@test -d quickstart || $(BIN)/palm init quickstart --example quickstart
	@$(BIN)/palm run quickstart/portfolio.yaml

test: lint
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal -m "not container and not fault"

# What goes wrong in production, done to real processes and servers; the end of the output counts it.
test-faults: $(INSTALLED_DEV)
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --durations 10 tests/faults

# As root, with docker.io and debootstrap: a daemon of its own is started and stopped.
test-containers: $(INSTALLED_DEV)
	@OMP_NUM_THREADS=1 $(BIN)/pytest -m container --durations 10 tests/containers

# One compiled form of each pipeline is committed, with the default section `cluster`; a test compares it with the code.
# `palm compile --manifest --config portfolio.yaml` writes the objects for `kubectl apply` of a site.
compile: $(INSTALLED)
	@for name in build_portfolio rebuild_on_change; do \
		$(BIN)/palm compile --pipeline $$name --output pipelines/$$name/pipeline.yaml || exit 1; \
	done

# README.md of every component and pipeline, from its signature, docstring and metadata.yaml.
docs: $(INSTALLED)
	@$(BIN)/python -m palm.pipelines.documentation

lint: $(INSTALLED_DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@rm -rf build/layout && mkdir -p build/layout && cp -r palm build/layout && cp -r components pipelines examples build/layout/palm
	@cd build/layout && ../../$(BIN)/lint-imports --config ../../pyproject.toml
	@$(BIN)/python $(IMAGES)/check_pins.py constraints.txt $(VENV)/.pins

bench: $(INSTALLED_BENCH)
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/geometry.py
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/training.py

clean:
	rm -rf $(VENV) quickstart build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

include components/images/images.mk
