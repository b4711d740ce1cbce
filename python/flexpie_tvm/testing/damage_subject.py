# SPDX-License-Identifier: Apache-2.0
"""Right files of every kind, of one small network, for `damage_trials`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..cost.shipped import MODELS
from ..frontend.onnx_model import load_onnx
from ..passes import FlexPiePreOptimize
from ..plan import ClusterSpec
from ..relay import FlexPiePartition, read_plan
from ..runtime import build
from .damage_trials import Subject

CLUSTER = """topology = "mesh"
bandwidth = "1Gbps"
latency = "100us"
host_bandwidth = "100Mbps"

[[board]]
speed = 1.0
memory = "2GB"
kind = "rpi4"
target = "llvm"
bandwidth = "100Mbps"
latency = 0.002

[[board]]
speed = 2.0
memory = 1000000000
kind = "rpi5"
target = "llvm"
bandwidth = 1000000000
latency = "0.5ms"
"""
SHAPE = (1, 3, 8, 8)


def make_subject(folder: Path) -> Subject:
    """A small network of two convolutions: planned and built for two boards, in a folder."""
    file = folder / "small.onnx"
    onnx.save(_network(), str(file))
    mod = FlexPiePreOptimize("llvm")(load_onnx(file))
    annotated = FlexPiePartition(ClusterSpec(2), "InH")(mod)
    graph = read_plan(annotated).imported.graph
    artifact = build(annotated, "llvm", folder / "small.flexpie").path
    cluster = folder / "right.toml"
    cluster.write_text(CLUSTER)
    cost = min(MODELS.glob("*.cost"), key=lambda path: path.stat().st_size)
    return Subject(artifact / "plan.json", cluster, cost, artifact, file, graph)


def _network() -> onnx.ModelProto:
    rng = np.random.default_rng(3)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype("float32"), name)

    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], pads=[1, 1, 1, 1], strides=[1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["c"], pads=[1, 1, 1, 1], group=2),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Reshape", ["d", "to"], ["answer"]),
    ]
    weights = [
        weight("w0", 4, 3, 3, 3),
        weight("w1", 4, 2, 3, 3),
        numpy_helper.from_array(np.array([1, -1]), "to"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, (1, 256))],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
