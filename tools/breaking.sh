#!/bin/sh
# Fail if proto/ breaks the contract of the last release, or, before the first release, of main.
set -eu
cd "$(dirname "$0")/.."
base=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || git rev-parse --verify --quiet origin/main || true)
if [ -z "$base" ] || ! git cat-file -e "$base:proto/buf.yaml" 2>/dev/null; then
  echo "No earlier contract to compare with."
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git archive "$base" proto | tar -x -C "$scratch"
cd proto && buf breaking --against "$scratch/proto"
