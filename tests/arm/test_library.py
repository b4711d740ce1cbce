# SPDX-License-Identifier: Apache-2.0
"""Which function of a library an offset belongs to, also where symbols were stripped."""

from __future__ import annotations

import pytest

from flexpie_tvm.lab.counting.library import Library
from flexpie_tvm.lab.counting.memory_map import Names, read_maps
from flexpie_tvm.lab.counting.programs import llvm_tool, run

SOURCE = """
extern "C" int first(int x) { return x * 3; }
extern "C" int second(int x) { return first(x) / 7; }
extern "C" int third_compute_(int x) { return second(x) + first(x); }
"""
COMPILER = "aarch64-linux-gnu-g++"


@pytest.fixture(scope="module")
def library(counting, tmp_path_factory):
    """A library, and name -> address of its functions."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "code.cc").write_text(SOURCE)
    path = folder / "code.so"
    run([COMPILER, "-O1", "-shared", "-fPIC", "-nostdlib", "-o", path, folder / "code.cc"])
    listed = run([llvm_tool("llvm-nm"), path]).splitlines()
    return path, {name: int(address, 16) for address, _, name in map(str.split, listed)}


def test_functions_are_named_and_parts_of_a_kernel_are_the_kernel(library):
    path, addresses = library
    known = Library(str(path))
    assert known.name(addresses["first"]) == "first"
    assert known.name(addresses["second"] + 4) == "second"
    assert known.name(addresses["third_compute_"]) == "third"


def test_without_symbols_a_function_is_told_by_its_address(library, tmp_path):
    path, addresses = library
    stripped = tmp_path / "stripped.so"
    run([llvm_tool("llvm-strip"), "-o", stripped, path])
    known = Library(str(stripped))
    for name in ("first", "second", "third_compute_"):
        assert known.name(addresses[name] + 4) == f"{addresses[name]:#x}"


def test_an_address_of_a_guest_is_found_in_what_is_mapped_there(library):
    path, addresses = library
    maps = (
        f"5500000000-5500001000 r-xp 00000000 08:01 42    {path}\n"
        "5500002000-5500003000 rw-p 00000000 00:00 0\n"
    )
    names = Names(read_maps(maps))
    inside = 0x5500000000 + addresses["second"]
    assert (names.library(inside), names.kernel(inside)) == ("code.so", "second")
    assert (names.library(0x5500002000), names.kernel(0x5500002000)) == ("", "")
