#!/bin/sh
# Removes from an environment what only a compiler, a test or a reader uses.
# usage: slim.sh PREFIX
set -eu
packages=$1/lib/python3.11/site-packages
find "$packages" -type d \( -name tests -o -path '*/torch/test' \) -prune -exec rm -rf {} +
