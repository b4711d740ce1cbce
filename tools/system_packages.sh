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
header gtest/gtest.h libgtest-dev
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
# links are encrypted by it; without it the runtime is built all the same, see cmake/mbedtls.cmake
if ! ls /usr/lib/*-linux-gnu/libmbedtls.a >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ]; then missing="$missing libmbedtls-dev"
    else echo "links cannot be encrypted without libmbedtls-dev (as root: apt-get install libmbedtls-dev)" >&2; fi
fi
# venv needs ensurepip, which Debian packs apart
python3 -c "import ensurepip" >/dev/null 2>&1 || missing="$missing python3-venv"

as_root() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; }

# Mbed TLS for boards of another architecture: three files beside the cross compiler's own. Nothing is
# installed and no architecture is added, as lists and packages of it are kept apart.
mbedtls_for_boards() {
    there=/usr/aarch64-linux-gnu/lib
    [ "$(uname -m)" != aarch64 ] && [ -d "$there" ] && [ ! -e "$there/libmbedtls.a" ] || return 0
    if ! as_root; then
        echo "boards of aarch64 cannot encrypt links: run tools/system_packages.sh as root" >&2
        return 0
    fi
    scratch=$(mktemp -d)
    foreign="-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists=$scratch/lists
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root"
    mkdir -p "$scratch/lists/partial"
    # shellcheck disable=SC2086
    if (cd "$scratch" && apt-get $foreign -qq update && apt-get $foreign -qq download libmbedtls-dev &&
        dpkg-deb -x libmbedtls-dev_*.deb unpacked) >/dev/null 2>&1; then
        cp "$scratch"/unpacked/usr/lib/aarch64-linux-gnu/libmbed*.a "$there"
    else
        echo "boards of aarch64 cannot encrypt links: libmbedtls-dev:arm64 cannot be had here" >&2
    fi
    rm -rf "$scratch"
}

if [ -n "$missing" ]; then
    if ! as_root; then
        echo "missing system packages:$missing (as root: apt-get install$missing)" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
mbedtls_for_boards
