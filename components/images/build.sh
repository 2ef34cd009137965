#!/bin/sh
# Builds the images from the wheelhouse, without network, and prints their sizes.
# usage: build.sh WHEELHOUSE BASE_IMAGE (auto | cpu | cuda) (cpu | cuda)
#   BASE_IMAGE  an image with python3.11; one of a registry is named by its digest
#   and the build of torch that the gpu image gets: as asked for, and what that is on this machine
set -eu
wheelhouse=$1 base=$2 asked=$3 gpu_torch=$4
here=$(dirname "$0")

version=$(find "$wheelhouse/palm" -name 'palm_portfolio-*.whl' | sed 's|.*/palm_portfolio-\([^-]*\)-.*|\1|')
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

# usage: build TARGET TORCH. Only what the target takes is sent: of the two builds of torch one is gigabytes.
build() {
    name=localhost/palm:$version-$1
    tar --create --directory "$wheelhouse" installer third-party "torch-$2" palm --directory "$PWD/$here" Containerfile \
        slim.sh torch_build.py |
        docker build --quiet --network none --file Containerfile --target "$1" --tag "$name" \
            --build-arg "BASE_IMAGE=$base" --build-arg "TORCH=$2" --build-arg "VERSION=$version" \
            --build-arg "REVISION=$revision" - >/dev/null
    # What is in it says what it is, not what was asked for.
    torch=$(docker run --rm --interactive --network none "$name" python - <"$here/torch_build.py")
    printf 'FROM %s\nLABEL palm.torch="%s"\n' "$name" "$torch" | docker build --quiet --tag "$name" - >/dev/null
    echo "$name $(docker image inspect --format '{{.Size}}' "$name" | awk '{printf "%.0f MB", $1 / 1e6}'), torch $torch"
}

build cpu cpu
# An image for GPUs by name only would train on the processor and tell nobody, unless that was asked for.
if [ "$asked" = auto ] && [ "$gpu_torch" = cpu ]; then
    echo "no image for GPUs: this machine has no NVIDIA driver; TORCH=cuda builds one here as well"
else
    build gpu "$gpu_torch"
fi
