# SPDX-License-Identifier: Apache-2.0
"""Vector units and caches of processors, by the names and features that LLVM gives them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tvm

from flexpie_tvm.kernels.target import unit_of
from flexpie_tvm.machine import (
    AVX,
    AVX2,
    AVX512,
    NEON,
    SSE,
    Caches,
    caches_of,
    described,
    vector_unit,
)
from flexpie_tvm.machine.processors import X86_LEVELS

X86, ARM = "x86_64-linux-gnu", "aarch64-linux-gnu"
CORES = (
    "cortex-a53", "cortex-a55", "cortex-a57", "cortex-a72", "cortex-a73", "cortex-a76",
    "cortex-a78", "neoverse-n1", "generic",
)  # fmt: skip


@pytest.mark.parametrize(
    ("mcpu", "mattr", "unit"),
    [
        ("", (), SSE),
        ("nehalem", (), SSE),
        ("sandybridge", (), AVX),
        ("core-avx2", (), AVX2),
        ("skylake-avx512", (), AVX512),
        ("", ("+avx2",), AVX2),
        ("", ("+avx512f",), SSE),
        ("", ("+avx512f", "+avx512bw"), AVX512),
        ("skylake-avx512", ("-avx512f",), AVX2),
        ("core-avx2", ("-avx2",), AVX),
        ("core-avx2", ("-avx",), SSE),
        ("a-processor-of-the-future", (), SSE),
    ],
)
def test_levels_of_x86(mcpu, mattr, unit):
    assert vector_unit(X86, mcpu, mattr) == unit


def test_arm_cores_that_compute_dot_products():
    have = {core for core in CORES if vector_unit(ARM, core).dot_product}
    assert have == {"cortex-a55", "cortex-a76", "cortex-a78", "neoverse-n1"}
    assert vector_unit(ARM, "cortex-a72") == NEON
    assert vector_unit(ARM, "cortex-a72", ["+dotprod"]).dot_product
    assert not vector_unit(ARM, "cortex-a76", ["-fullfp16"]).fp16


@pytest.mark.parametrize("triple", ["riscv64-linux-gnu", "arm-linux-gnueabihf", ""])
def test_other_architectures_have_none(triple):
    assert vector_unit(triple) is None


@pytest.mark.parametrize("core", CORES)
def test_arm_cores_have_what_llvm_says(core):
    target = tvm.target.Target(f"llvm -mtriple={ARM} -mcpu={core} -keys=arm_cpu,cpu")
    assert unit_of(target) == vector_unit(ARM, core)


@pytest.mark.parametrize(
    "mcpu",
    ["x86-64", "nehalem", "silvermont", *(name for _, names in X86_LEVELS for name in names)],
)
def test_processors_of_x86_have_what_llvm_says(mcpu):
    target = tvm.target.Target(f"llvm -mtriple={X86} -mcpu={mcpu}")
    assert unit_of(target) == vector_unit(X86, mcpu)


def test_the_text_of_a_target():
    text = "llvm -keys=arm_cpu,cpu -mcpu=cortex-a76 -mtriple=aarch64-linux-gnu -mattr=+dotprod,-sve"
    found = described(text)
    assert (found.triple, found.mcpu) == ("aarch64-linux-gnu", "cortex-a76")
    assert found.mattr == ("+dotprod", "-sve")
    assert described(str(tvm.target.Target(text))) == found
    assert described("llvm").mcpu == ""
    assert described("llvm").triple


def test_caches_of_known_and_other_processors():
    assert caches_of(ARM, "cortex-a72") == Caches(32 << 10, 1 << 20, 4)
    assert caches_of(ARM, "cortex-z99") == caches_of(ARM, "cortex-a53")
    for triple, mcpu in [(X86, "znver4"), *((ARM, core) for core in CORES)]:
        caches = caches_of(triple, mcpu)
        assert caches.line <= caches.l1 < caches.l2


def test_numbers_of_16_bits_have_twice_the_lanes_where_there_is_arithmetic_for_them():
    old, new = vector_unit(ARM, "cortex-a72"), vector_unit(ARM, "cortex-a76")
    assert (old.floats, new.floats) == (("float32",), ("float32", "float16"))
    assert (new.of("float32").lanes, new.of("float16").lanes) == (4, 8)
    assert new.of("float32") == new.of("int8") == new


def test_no_tvm_is_needed():
    code = "import sys, flexpie_tvm.machine.processors; sys.exit('tvm' in sys.modules)"
    hidden = "import sys, types; sys.modules['flexpie_tvm'] = m = types.ModuleType('flexpie_tvm')"
    import flexpie_tvm

    package = f"m.__path__ = {list(flexpie_tvm.__path__)!r}"
    script = f"{hidden}\n{package}\n{code}"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
