#!/bin/sh
# Install the Debian packages that sandbox and services need, those that are missing; without root, say which.
# With the argument `full` also those that only the tests of `make test-full` need.
set -eu

wants=${1:-}
missing=""
command -v bwrap >/dev/null || missing="$missing bubblewrap"
set -- /usr/lib/*/libseccomp.so.2 /lib/*/libseccomp.so.2 /usr/lib64/libseccomp.so.2 /usr/lib/libseccomp.so.2
seccomp=
for file; do [ ! -e "$file" ] || seccomp=found; done
[ -n "$seccomp" ] || missing="$missing libseccomp2"
# Compiles one small file of the sandbox; without it, runs cost more.
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
command -v iverilog >/dev/null || missing="$missing iverilog" # what the verilog service runs
command -v yosys >/dev/null || missing="$missing yosys" # proofs of its form equivalence
command -v verilator_bin >/dev/null || missing="$missing verilator" # the linter of its form compile
command -v dafny >/dev/null || missing="$missing dafny binutils" # what the dafny service runs, compiled ahead of time
# The library of Python 3.N, which cocotb loads into the simulator.
python=$(/usr/bin/python3 -c 'import sys; print("libpython%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
set -- /usr/lib/*/"$python".so.1.0 /usr/lib64/"$python".so.1.0 /usr/lib/"$python".so.1.0
library=
for file; do [ ! -e "$file" ] || library=found; done
[ -z "$python" ] || [ -n "$library" ] || missing="$missing $python"
/usr/bin/python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3 python3-venv"
if [ "$wants" = full ]; then
  command -v dockerd >/dev/null || missing="$missing docker.io"
  command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
fi

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "This system has no apt-get. Install what matches these Debian packages, then try again:$missing" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "Some system packages are missing. Run this as root, then try again:" >&2
  echo "  apt-get update && apt-get install --yes --no-install-recommends$missing" >&2
  exit 1
fi
echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install --yes --no-install-recommends -qq $missing >/dev/null
