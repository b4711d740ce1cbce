# SPDX-License-Identifier: Apache-2.0
"""Artifacts of the small model, built once."""

from __future__ import annotations

import numpy as np
import pytest

import flexpie_tvm
from flexpie_tvm.runtime import run_whole

SHAPES = {"image": (1, 3, 16, 16)}


@pytest.fixture(scope="session")
def small_module(small_onnx):
    """The imported small model."""
    return flexpie_tvm.load_onnx(small_onnx, SHAPES)


@pytest.fixture(scope="session")
def small_inputs() -> dict[str, np.ndarray]:
    """Random inputs of the small model."""
    return {"image": np.random.default_rng(8).normal(size=SHAPES["image"]).astype("float32")}


@pytest.fixture(scope="session")
def small_answer(small_module, small_inputs, target) -> np.ndarray:
    """What stock TVM answers."""
    return run_whole(small_module, target, small_inputs)[0]


@pytest.fixture(scope="session")
def artifacts(small_module, target, tmp_path_factory):
    """``artifacts(boards, scheme, topology)``: built at first use."""
    made = {}
    folder = tmp_path_factory.mktemp("artifacts")

    def get(boards: int, scheme: str, topology: str = "mesh"):
        key = (boards, scheme, topology)
        if key not in made:
            cluster = flexpie_tvm.ClusterSpec(boards, topology=topology)
            mod = flexpie_tvm.FlexPiePreOptimize(target)(small_module)
            mod = flexpie_tvm.FlexPiePartition(cluster, scheme)(mod)
            path = folder / f"{scheme}-{boards}-{topology}.flexpie"
            made[key] = flexpie_tvm.build(mod, target, path)
        return made[key]

    return get
