#!/bin/sh
# Collects one part of the wheelhouse, whole or not at all, at the versions of constraints.txt.
# usage: wheelhouse.sh PYTHON (palm | third-party | torch-cuda) FOLDER
#   palm         FOLDER/palm: this project
#   third-party  FOLDER/installer: pip; FOLDER/third-party: all that palm needs; FOLDER/torch-cpu: torch as pip finds
#                it first, a CPU build where one of its indexes or folders has one
#   torch-cuda   FOLDER/torch-cuda: torch and the CUDA libraries that it brings
set -eu
python=$1 part=$2 folder=$3

"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "error: wheelhouse: made by Python 3.11 only, which is what the images run; set PYTHON=python3.11" >&2
    exit 1
}
torch=$(sed -n 's/^torch==//p' constraints.txt)
mkdir -p "$folder"
new=$folder/.new
rm -rf "$new"

collect() {
    "$python" -m pip wheel --quiet --disable-pip-version-check --constraint constraints.txt --wheel-dir "$@"
}

replace() {
    rm -rf "${folder:?}/$1"
    mv "$new/$1" "$folder/$1"
}

# torch and what it alone needs: the only difference between the images.
separate_torch() {
    mkdir -p "$2"
    find "$1" -name 'torch-*.whl' -o -name 'triton-*.whl' -o -name 'nvidia_*.whl' -o -name 'cuda_*.whl' |
        while read -r wheel; do mv "$wheel" "$2/"; done
}

case $part in
palm)
    # What setuptools left there before would get into the wheel again, even after the module is gone.
    rm -rf build/lib build/bdist.*
    collect "$new/palm" --no-deps .
    replace palm
    ;;
third-party)
    collect "$new/installer" --no-deps pip
    collect "$new/third-party" "torch==$torch" '.[train,cluster,server]'
    rm "$new"/third-party/palm-*.whl
    separate_torch "$new/third-party" "$new/torch-cpu"
    replace installer
    replace third-party
    replace torch-cpu
    ;;
torch-cuda)
    # === takes the build without a local version, which is the CUDA one, even where pip also finds a CPU build.
    collect "$new/all" "torch===$torch"
    separate_torch "$new/all" "$new/torch-cuda"
    replace torch-cuda
    ;;
esac
rm -rf "$new"
