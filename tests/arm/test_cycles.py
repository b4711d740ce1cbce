# SPDX-License-Identifier: Apache-2.0
"""llvm-mca's cycles, of another architecture as well: they need no emulator."""

from __future__ import annotations

import pytest

from flexpie_tvm.lab.counting.cycles import cycles
from flexpie_tvm.lab.counting.loops import Loop

ZEN4 = ("znver4", "x86_64-linux-gnu", "")
#: Each adds to its own sum; and one after the other to the same: a Zen 4 takes 4 cycles for each.
APART = [f"vfmadd231ps %ymm14, %ymm15, %ymm{k}" for k in range(8)]
CHAINED = ["vfmadd231ps %ymm14, %ymm15, %ymm0"] * 8


@pytest.mark.parametrize(("texts", "each"), [(APART, 0.5), (CHAINED, 4.0)])
def test_multiply_adds_of_x86_take_what_its_pipelines_say(texts, each):
    loop = Loop(0, tuple(range(8)), 8 * 1000)
    (found,) = cycles([loop], dict(enumerate(texts)), *ZEN4)
    assert found == pytest.approx(8 * 1000 * each, rel=0.1)
