#!/bin/sh
# Collects one part of the wheelhouse, whole or not at all, at the versions of constraints.txt.
# usage: wheelhouse.sh PYTHON (palm | third-party | torch-cuda) FOLDER
#   palm         FOLDER/palm: this project
#   third-party  FOLDER/installer: pip; FOLDER/third-party: all that palm needs; FOLDER/torch-cpu: a CPU build of torch
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

case $part in
palm)
    # What setuptools left there before would get into the wheel again, even after the module is gone.
    rm -rf build/lib build/bdist.*
    collect "$new/palm" --no-deps .
    replace palm
    ;;
third-party)
    collect "$new/installer" --no-deps pip
    # Alone, so that PyTorch's index gives torch and nothing else.
    wheel=$("$(dirname "$0")/torch_wheel.sh" "$python" "$torch" cpu)
    collect "$new/torch-cpu" --no-deps $wheel
    collect "$new/third-party" --find-links "$new/torch-cpu" "torch==$torch+cpu" '.[train,cluster,server]'
    rm "$new"/third-party/palm-*.whl "$new"/third-party/torch-*.whl
    replace installer
    replace third-party
    replace torch-cpu
    ;;
torch-cuda)
    wheel=$("$(dirname "$0")/torch_wheel.sh" "$python" "$torch" cuda)
    collect "$new/all" $wheel
    # torch and what it alone needs: the only difference between the images.
    mkdir -p "$new/torch-cuda"
    for name in torch triton 'nvidia_*' 'cuda_*'; do find "$new/all" -name "$name-*.whl" -exec mv {} "$new/torch-cuda" \;; done
    replace torch-cuda
    ;;
esac
rm -rf "$new"
