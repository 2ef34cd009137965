#!/bin/sh
# Removes from an environment what no task uses: tests, what compilers read, servers and services that are not palm's.
# Triton keeps its headers: it compiles kernels where a compiler is.
# usage: slim.sh PREFIX
set -eu
cd "$1/lib/python3.11/site-packages"

find . -type d -name tests -prune -exec rm -rf {} +
find . -type f ! -path './triton/*' \( -name '*.h' -o -name '*.hpp' -o -name '*.cuh' -o -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' \
    -o -name '*.pxi' -o -name '*.c' -o -name '*.cpp' -o -name '*.a' -o -name '*.cmake' -o -name '*.map' \) -delete
# Tensors go from process to process by one program of torch's; the others are its tests and a compiler.
rm -rf torch/test torch/share
[ ! -d torch/bin ] || find torch/bin -type f ! -name torch_shm_manager -delete
# Arrow's server, which nothing else of it loads.
rm -f pyarrow/libarrow_flight.* pyarrow/libarrow_python_flight.* pyarrow/_flight.* pyarrow/flight.py
# Descriptions of every service of AWS; palm talks to S3, the rest is for logging in.
[ ! -d botocore/data ] || find botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} +
