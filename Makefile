# Every target sets up .venv itself and is quick when nothing has changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps
LOCKED := $(PIP) --require-hashes
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_BENCH := $(VENV)/.installed-bench
# The build of torch: cpu, cuda, or auto (the installed one, else CUDA where an NVIDIA driver is). pip's own choice on Linux
# is CUDA everywhere, which is gigabytes.
TORCH ?= auto
TORCH_INSTALLED := $(patsubst $(VENV)/.torch-%,%,$(wildcard $(VENV)/.torch-*))
TORCH_FOUND = $(shell test -e /proc/driver/nvidia/version || nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
TORCH_BUILD := $(if $(filter auto,$(TORCH)),$(or $(TORCH_INSTALLED),$(TORCH_FOUND)),$(filter cpu cuda,$(TORCH)))
$(if $(TORCH_BUILD),,$(error TORCH=$(TORCH): must be auto, cpu or cuda))
IMAGES := components/images

.PHONY: install demo test test-faults test-containers lint lock compile docs bench clean

install: $(INSTALLED)

# Locked versions with checked hashes, then palm itself, built by the locked setuptools.
$(INSTALLED): pyproject.toml setup.py $(LOCKS)/tools.lock $(LOCKS)/all.lock $(VENV)/.torch-$(TORCH_BUILD)
	@$(LOCKED) --requirement $(LOCKS)/tools.lock --requirement $(LOCKS)/all.lock
	@PYTHONWARNINGS=ignore $(PIP) --no-build-isolation --editable .
	@echo "torch $$($(BIN)/python $(IMAGES)/torch_build.py $(TORCH_BUILD))"
	@touch $@

$(VENV)/.torch-$(TORCH_BUILD): $(LOCKS)/torch-$(TORCH_BUILD).lock $(IMAGES)/torch_wheel.sh | $(BIN)/python
	@echo "installing into $(VENV), torch for $(TORCH_BUILD) (a few minutes the first time)"
	@arguments=$$($(IMAGES)/torch_wheel.sh $(BIN)/python $(LOCKS) $(TORCH_BUILD)) && $(LOCKED) $$arguments
	@rm -f $(VENV)/.torch-*
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("python %d.%d: must be >= 3.11; set PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED_DEV): $(INSTALLED) $(LOCKS)/dev.lock
	@$(LOCKED) --requirement $(LOCKS)/dev.lock
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED_DEV) $(LOCKS)/bench.lock
	@$(LOCKED) --requirement $(LOCKS)/bench.lock
	@touch $@

# Needs a package index; `make lint` checks what it wrote.
lock: | $(INSTALLED_DEV)
	@$(BIN)/python $(LOCKS)/lock.py

# Keeps the folder, so that a second demo reuses the trained policies.
demo: $(INSTALLED)
	@test -d quickstart || $(BIN)/palm init quickstart --example quickstart
	@$(BIN)/palm run quickstart/portfolio.yaml

test: lint
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal -m "not container and not fault"

# Kills processes, breaks connections and damages files; the end of the output counts them.
test-faults: $(INSTALLED_DEV)
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --durations 10 tests/faults

# Needs root, docker.io and debootstrap; starts and stops a Docker daemon of its own.
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
	@$(BIN)/mypy
	@$(BIN)/python $(LOCKS)/lock.py --check
	@$(BIN)/python $(LOCKS)/check_pins.py constraints.txt $(VENV)/.pins

bench: $(INSTALLED_BENCH)
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/geometry.py
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/training.py

clean:
	rm -rf $(VENV) quickstart build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache .mypy_cache

include components/images/images.mk
