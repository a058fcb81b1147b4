#!/bin/sh
# Have the image debian:bookworm-slim: there already, or pulled, or (without a registry) bootstrapped from Debian's
# packages. Needs a Docker daemon; for the last, root and mmdebstrap.
set -eu

image=debian:bookworm-slim
if docker image inspect "$image" >/dev/null 2>&1; then
  exit 0
fi
if timeout 60 docker pull --quiet "$image" >/dev/null 2>&1; then
  exit 0
fi
if ! command -v mmdebstrap >/dev/null; then
  echo "There is no image $image, no registry to get it from, and no mmdebstrap: apt-get install mmdebstrap" >&2
  exit 1
fi
root=$(mktemp)
trap 'rm -f "$root"' EXIT
mmdebstrap --quiet --variant=minbase --format=tar bookworm "$root"
docker import "$root" "$image" >/dev/null
