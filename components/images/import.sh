#!/bin/sh
# Gives the Docker daemon the base image, unless it has just this one.
# usage: import.sh TARBALL NAME
set -eu
tarball=$1 name=$2
digest=$(sha256sum "$tarball" | cut -d ' ' -f 1)
# Imported again it would be another image, on which nothing that was built before stands.
had=$(docker image inspect --format '{{index .Config.Labels "palm.rootfs"}}' "$name" 2>/dev/null || true)
[ "$had" = "$digest" ] || docker import --change "LABEL palm.rootfs=$digest" "$tarball" "$name" >/dev/null
echo "$name $(docker image inspect --format '{{.Size}}' "$name" | awk '{printf "%.0f MB", $1 / 1e6}')"
