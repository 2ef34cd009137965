#!/bin/sh
# Prints the arguments with which pip installs the locked build of torch.
# usage: torch_wheel.sh PYTHON LOCKS (cpu | cuda); PYTORCH_INDEX: index of CPU builds, used where pip finds none without it
set -eu
python=$1 locks=$2 build=$3
index=${PYTORCH_INDEX:-https://download.pytorch.org/whl/cpu}
cpu=$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' "$locks/torch-cpu.lock")

found() {
    "$python" -m pip install --dry-run --quiet --ignore-installed --no-deps --disable-pip-version-check "$@" >/dev/null 2>&1
}

# The release without a local version is the CUDA build on Linux, and the only one elsewhere.
if [ "$build" = cuda ] || [ "$(uname -s)" != Linux ]; then
    echo "--requirement $locks/torch-cuda.lock"
elif found "$cpu"; then
    echo "--requirement $locks/torch-cpu.lock"
elif found --extra-index-url "$index" "$cpu"; then
    echo "--extra-index-url $index --requirement $locks/torch-cpu.lock"
else
    echo "error: $cpu: no CPU build is found, neither by pip as it is set up nor at $index; set PIP_FIND_LINKS" \
        "or PIP_EXTRA_INDEX_URL to a place that has one, or take the CUDA build with TORCH=cuda" >&2
    exit 1
fi
