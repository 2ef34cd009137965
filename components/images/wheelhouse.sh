#!/bin/sh
# Collects one part of the wheelhouse, whole or not at all, at the locked versions with checked hashes.
# usage: wheelhouse.sh PYTHON LOCKS (palm | third-party | torch-cuda) FOLDER
#   palm         FOLDER/palm: this project
#   third-party  FOLDER/installer: pip; FOLDER/third-party: palm's dependencies; FOLDER/torch-cpu: a CPU build of torch
#   torch-cuda   FOLDER/torch-cuda: torch and its CUDA libraries
set -eu
python=$1 locks=$2 part=$3 folder=$4

"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "error: wheelhouse: must be collected by Python 3.11, which the images run; set PYTHON=python3.11" >&2
    exit 1
}
mkdir -p "$folder"
new=$folder/.new
rm -rf "$new"

collect() {
    "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$@"
}

replace() {
    rm -rf "${folder:?}/$1"
    mv "$new/$1" "$folder/$1"
}

torch() {
    collect "$new/torch-$1" --require-hashes $("$(dirname "$0")/torch_wheel.sh" "$python" "$locks" "$1")
}

case $part in
palm)
    # setuptools would put modules that are deleted since into the wheel again.
    rm -rf build/lib build/bdist.*
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$locks/tools.lock"
    collect "$new/palm" --no-build-isolation .
    replace palm
    ;;
third-party)
    collect "$new/third-party" --require-hashes --requirement "$locks/tools.lock" --requirement "$locks/all.lock"
    mkdir "$new/installer"
    mv "$new"/third-party/pip-*.whl "$new/installer"
    torch cpu
    replace installer
    replace third-party
    replace torch-cpu
    ;;
torch-cuda)
    torch cuda
    replace torch-cuda
    ;;
esac
rm -rf "$new"
