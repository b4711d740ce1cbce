# SPDX-License-Identifier: Apache-2.0
"""Artifacts of the small model, built once."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import flexpie_tvm
from flexpie_tvm.runtime import Cluster, run_whole
from flexpie_tvm.runtime.native import native_library

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


@pytest.fixture(scope="module")
def session(boards):
    """A board with the native runtime."""
    with Cluster.connect((boards.host, boards.port), boards.key, 1) as cluster:
        (session,) = cluster.sessions
        session.load_once(native_library("x86_64"))
        yield session


@pytest.fixture(scope="session")
def busy(target, tmp_path_factory):
    """Two boards that compute for longer than a slowed one is let run at a time."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array((rng.normal(size=(128, c, 3, 3)) / 34).astype("float32"), f"w{k}")
        for k, c in enumerate([3, 128])
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "w1"], ["b"], pads=[1] * 4),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 96, 96])
    answer = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 128, 96, 96])
    model = helper.make_model(
        helper.make_graph(nodes, "busy", [image], [answer], weights),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 8
    folder = tmp_path_factory.mktemp("busy")
    onnx.save(model, str(folder / "busy.onnx"))
    mod = flexpie_tvm.load_onnx(folder / "busy.onnx", {})
    mod = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    mod = flexpie_tvm.FlexPiePartition(2, "InH")(mod)
    return flexpie_tvm.build(mod, target, folder / "busy.flexpie", model=folder / "busy.onnx")


@pytest.fixture(scope="session")
def ready(small_module, small_onnx, target, tmp_path_factory):
    """Three boards, ready for the loss of one; of two it is built when it comes to it."""
    mod = flexpie_tvm.FlexPiePreOptimize(target)(small_module)
    mod = flexpie_tvm.FlexPiePartition(3, "InH")(mod)
    path = tmp_path_factory.mktemp("ready") / "small.flexpie"
    return flexpie_tvm.build(mod, target, path, model=small_onnx, fallbacks=1)
