# SPDX-License-Identifier: Apache-2.0
"""The packaged cost models are small, load, and are chosen for the boards they were measured on."""

from flexpie_tvm.cost import load_cost, shipped_cost
from flexpie_tvm.cost.records import MODELLED
from flexpie_tvm.cost.shipped import MODELS


def test_packaged_models_load_and_are_found_by_their_boards():
    paths = sorted(MODELS.glob("*.cost"))
    assert {"x86_64-znver4.cost", "x86_64-znver5.cost"} <= {path.name for path in paths}
    for path in paths:
        modelled = path.name.startswith("aarch64")
        assert path.stat().st_size < 1_000_000
        setting = load_cost(path).origin.setting
        assert (setting.how == MODELLED) == modelled
        found = shipped_cost(setting.target, setting.threads)
        assert found is not None
        assert found.origin.setting == setting
        assert 0 < found.calls(1) < found.calls(2)
        assert shipped_cost(setting.target, setting.threads + 7) is None


def test_processors_with_vectors_like_those_measured_get_what_was_measured_there():
    found = shipped_cost("llvm -keys=cpu -mcpu=skylake-avx512", 1)
    assert found is not None
    assert "znver" in found.origin.setting.target
    for other in ("llvm -mcpu=haswell", "llvm", "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72"):
        assert shipped_cost(other, 1) is None
