#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the build and the tests need from the system; installed where we are root.
set -eu

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
header() { printf '#include <%s>' "$1" | g++ -E -x c++ - >/dev/null 2>&1 || missing="$missing $2"; }
need g++ g++
need cmake cmake
need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
header nlohmann/json_fwd.hpp nlohmann-json3-dev
# testbeds, which need root: namespaces, links, emulated boards; their code is counted by qemu-user
if [ "$(id -u)" -eq 0 ]; then
    need ip iproute2
    need tc iproute2
    need nsenter util-linux
    if [ "$(uname -m)" != aarch64 ]; then
        need qemu-aarch64-static qemu-user-static
        need qemu-aarch64 qemu-user
    fi
fi
# venv needs ensurepip, which Debian packs apart
python3 -c "import ensurepip" >/dev/null 2>&1 || missing="$missing python3-venv"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing system packages:$missing (as root: apt-get install$missing)" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
