# The images and their inputs: wheelhouse and base image.

# Time stamp of every built file, so that equal content gives equal files.
export SOURCE_DATE_EPOCH ?= 1767225600
# Image with python3.11, NAME@sha256:DIGEST; empty: that of `make base-image`.
BASE_IMAGE ?=
WHEELS := build/wheelhouse
BASE := build/base/bookworm.tar
OWN_BASE := localhost/palm-base:bookworm
SOURCES = $(shell find palm components pipelines examples -name '*.py' -o -name '*.yaml' -o -name '*.md' -o -name '*.j2')

.PHONY: wheelhouse base-image images docker-daemon

wheelhouse: $(WHEELS)/third-party $(WHEELS)/palm $(if $(filter cuda,$(TORCH_BUILD)),$(WHEELS)/torch-cuda)

$(WHEELS)/third-party $(WHEELS)/torch-cuda: $(wildcard $(LOCKS)/*.lock) $(IMAGES)/wheelhouse.sh \
    $(IMAGES)/torch_wheel.sh | $(BIN)/python
	@echo "collecting $@ (a minute or two the first time)"
	@$(IMAGES)/wheelhouse.sh $(BIN)/python $(LOCKS) $(@F) $(WHEELS)

$(WHEELS)/palm: pyproject.toml setup.py $(IMAGES)/wheelhouse.sh $(SOURCES) | $(BIN)/python
	@$(IMAGES)/wheelhouse.sh $(BIN)/python $(LOCKS) $(@F) $(WHEELS)

$(BASE): $(IMAGES)/base.sh
	@echo "making $@ (a minute or two)"
	@$(IMAGES)/base.sh $@

base-image: docker-daemon $(BASE)
	@$(IMAGES)/import.sh $(BASE) $(OWN_BASE)

images: docker-daemon wheelhouse $(if $(BASE_IMAGE),,base-image)
	@$(IMAGES)/build.sh $(WHEELS) $(or $(BASE_IMAGE),$(OWN_BASE)) $(TORCH) $(TORCH_BUILD)

docker-daemon:
	@docker version >/dev/null 2>&1 || { echo "error: no Docker daemon answers; apt-get install docker.io," \
	    "start it (systemctl start docker) or set DOCKER_HOST" >&2; exit 1; }
