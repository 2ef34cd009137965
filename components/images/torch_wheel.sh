#!/bin/sh
# Prints the arguments by which pip finds one build of torch.
# usage: torch_wheel.sh PYTHON VERSION (cpu | cuda); PYTORCH_INDEX: where CPU builds are, unless pip finds one without
set -eu
python=$1 version=$2 build=$3
index=${PYTORCH_INDEX:-https://download.pytorch.org/whl/cpu}

found() {
    "$python" -m pip install --dry-run --quiet --ignore-installed --no-deps --disable-pip-version-check "$@" >/dev/null 2>&1
}

# === takes the build without a local version: on Linux it is the CUDA one, elsewhere there is no other.
if [ "$build" = cuda ] || [ "$(uname -s)" != Linux ]; then
    echo "torch===$version"
elif found "torch==$version+cpu"; then
    echo "torch==$version+cpu"
elif found --extra-index-url "$index" "torch==$version+cpu"; then
    echo "--extra-index-url $index torch==$version+cpu"
else
    echo "error: torch: no CPU build of $version is found, neither by pip as it is set up nor at $index; set PIP_FIND_LINKS" \
        "or PIP_EXTRA_INDEX_URL to a place that has one, or take the CUDA build with TORCH=cuda" >&2
    exit 1
fi
