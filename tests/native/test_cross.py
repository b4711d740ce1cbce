# SPDX-License-Identifier: Apache-2.0
"""The library for aarch64 boards, where a cross compiler is installed."""

import re
import shutil
import subprocess

import pytest

from .conftest import REPOSITORY, build_runtime


def versions(text, prefix):
    """All versions of a library's symbols that the text asks for, as tuples of numbers."""
    found = re.findall(prefix + r"_(\d+(?:\.\d+)+)", text)
    return {tuple(int(number) for number in version.split(".")) for version in found}


@pytest.fixture(scope="module")
def aarch64_lib(tmp_path_factory):
    if shutil.which("aarch64-linux-gnu-g++") is None:
        pytest.skip("aarch64-linux-gnu-g++ is not installed")
    toolchain = REPOSITORY / "cmake" / "aarch64-linux-gnu.cmake"
    return build_runtime(tmp_path_factory.mktemp("aarch64"), f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")


def readelf(option, path):
    return subprocess.run(
        ["readelf", option, path], check=True, capture_output=True, text=True
    ).stdout


def test_it_is_an_aarch64_library(aarch64_lib):
    header = readelf("--file-header", aarch64_lib)
    assert re.search(r"Machine:\s+AArch64", header)
    assert re.search(r"Type:\s+DYN", header)


def test_it_loads_wherever_tvm_does(aarch64_lib):
    """TVM's wheels are manylinux_2_28: glibc 2.28 and the libstdc++ of GCC 8."""
    needed = readelf("--version-info", aarch64_lib)
    assert max(versions(needed, "GLIBC")) <= (2, 28)
    assert max(versions(needed, "GLIBCXX")) <= (3, 4, 25)
    libraries = re.findall(r"NEEDED.*\[(.*?)\.so", readelf("--dynamic", aarch64_lib))
    assert "libtvm" not in libraries
    assert "libtvm_runtime" not in libraries


def test_it_tells_nothing_of_the_machine_that_built_it(aarch64_lib):
    assert str(REPOSITORY).encode() not in aarch64_lib.read_bytes()
