#!/bin/sh
# Makes the root file system of the base image: Debian bookworm with its updates, Python 3.11, and little else.
# usage: base.sh TARBALL; DEBIAN_MIRROR: where packages come from, unset: debootstrap's own default.
set -eu
tarball=$1
: "${SOURCE_DATE_EPOCH:?names the time stamp of every file}"

fail() {
    echo "error: $1" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "base image: debootstrap must run as root; use sudo, or give BASE_IMAGE=NAME@sha256:DIGEST"
command -v debootstrap >/dev/null || fail "base image: debootstrap is missing; apt-get install debootstrap, or give BASE_IMAGE=NAME@sha256:DIGEST"

work=$(mktemp -d)
root=$work/root
trap 'mountpoint -q "$root/proc" && umount "$root/proc"; rm -rf --one-file-system "$work"' EXIT

debootstrap --variant=minbase --include=python3.11 bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; fail "base image: debootstrap failed; its last lines are above"; }

# A release is as old as its last point release; what came since is in two suites that every mirror has beside it.
mirror=$(sed -n 's/^deb \([^ ]*\) bookworm main$/\1/p' "$root/etc/apt/sources.list")
cat >"$root/etc/apt/sources.list" <<SOURCES
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $mirror-security bookworm-security main
SOURCES
{
    chroot "$root" apt-get update --quiet &&
        DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get upgrade --quiet --yes
} >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "base image: updating it failed; its last lines are above"; }

# Nothing of this machine, nothing that differs from build to build, nothing that only a person at a shell reads.
cd "$root"
rm -rf var/lib/apt/lists/* var/cache/apt/* var/log/* var/cache/ldconfig/* var/cache/debconf/*-old var/lib/dpkg/*-old \
    etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- \
    etc/machine-id etc/hostname etc/resolv.conf debootstrap run/* tmp/* \
    usr/share/man usr/share/info usr/share/lintian usr/share/locale
find usr/share/doc -type f ! -name copyright -delete
find usr/share/doc -mindepth 1 -type d -empty -delete
# Checked by nothing at start, so that the time stamps below do not make Python compile its library again.
find usr/lib/python3.11 -name __pycache__ -prune -exec rm -rf {} +
chroot "$root" python3.11 -m compileall -q --invalidation-mode unchecked-hash usr/lib/python3.11
cd - >/dev/null

mkdir -p "$(dirname "$tarball")"
tar --create --file "$tarball.part" --directory "$root" --one-file-system --numeric-owner \
    --sort=name --mtime="@$SOURCE_DATE_EPOCH" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' .
mv "$tarball.part" "$tarball"
