#!/bin/sh
# Builds the images from the wheelhouse, without network, and prints their sizes.
# usage: build.sh WHEELHOUSE BASE_IMAGE GPU_TORCH
#   BASE_IMAGE  an image with python3.11; one of a registry is named by its digest
#   GPU_TORCH   cuda or cpu: which torch the gpu image gets
set -eu
wheelhouse=$1 base=$2 gpu_torch=$3
here=$(dirname "$0")

version_of() {
    find "$wheelhouse/$1" -name "$2-*.whl" | sed "s|.*/$2-\([^-]*\)-.*|\1|"
}

version=$(version_of palm palm)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

# usage: build TARGET TORCH. Only what the target takes is sent: of the two builds of torch one is gigabytes.
build() {
    name=localhost/palm:$version-$1
    tar --create --directory "$wheelhouse" installer third-party "torch-$2" palm --directory "$PWD/$here" Containerfile |
        docker build --quiet --network none --file Containerfile --target "$1" --tag "$name" \
            --build-arg "BASE_IMAGE=$base" --build-arg "TORCH=$2" --build-arg "TORCH_VERSION=$(version_of "torch-$2" torch)" \
            --build-arg "VERSION=$version" --build-arg "REVISION=$revision" - >/dev/null
    echo "$name $(docker image inspect --format '{{.Size}}' "$name" | awk '{printf "%.0f MB", $1 / 1e6}')," \
        "torch $(docker image inspect --format '{{index .Config.Labels "palm.torch"}}' "$name")"
}

build cpu cpu
build gpu "$gpu_torch"
