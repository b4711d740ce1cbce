# SPDX-License-Identifier: Apache-2.0
"""The packaged cost models are small, load, and are chosen for the boards they were measured on."""

from flexpie_tvm.cost import load_cost, shipped_cost
from flexpie_tvm.cost.shipped import MODELS


def test_packaged_models_load_and_are_found_by_their_boards():
    paths = sorted(MODELS.glob("*.cost"))
    assert [p.name for p in paths] == ["x86_64-local.cost"]
    for path in paths:
        assert path.stat().st_size < 5_000_000
        setting = load_cost(path).origin.setting
        found = shipped_cost(setting.target, setting.threads)
        assert found is not None
        assert found.origin.setting == setting
        assert shipped_cost(setting.target, setting.threads + 7) is None
    assert shipped_cost("llvm -mcpu=unknown", 1) is None
