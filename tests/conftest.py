# SPDX-License-Identifier: Apache-2.0
"""What several test folders share: the target, models, boards, small built artifacts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import local_boards


def pytest_addoption(parser):
    parser.addoption(
        "--require-counting",
        action="store_true",
        help="fail, instead of skipping, where aarch64 code cannot be counted",
    )
    parser.addoption(
        "--emulated-graphs",
        type=int,
        default=20,
        help="random float32 graphs to run on emulated Cortex-A72 boards",
    )


@pytest.fixture(scope="session", autouse=True)
def no_user_cache():
    """Commands of tests compile what they test, and leave nothing in the user's cache.

    Nor do they take a minute to calibrate by; those that do say so.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FLEXPIE_CACHE", "0")
        patched.setenv("FLEXPIE_CALIBRATE", "0")
        yield


@pytest.fixture(scope="session")
def target() -> str:
    """TVM target of this machine."""
    return host_target()


@pytest.fixture(scope="session")
def boards():
    """Four local boards: stock RPC servers and a tracker on loopback."""
    with local_boards(4) as started:
        yield started


@pytest.fixture(scope="session")
def small_onnx(tmp_path_factory) -> Path:
    """conv, relu, depthwise conv, pool, conv, residual add: 1x3x16x16 to 1x32x8x8."""
    rng = np.random.default_rng(7)

    def weight(name: str, *shape: int):
        array = (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype("float32")
        return numpy_helper.from_array(array, name)

    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["c"], pads=[1, 1, 1, 1], group=32),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["d", "w2"], ["e"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["d", "e"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 32, 8, 8])],
        [weight("w0", 32, 3, 3, 3), weight("w1", 32, 1, 3, 3), weight("w2", 32, 32, 3, 3)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="session")
def trained():
    """Estimators of 600 tiles and 240 transfers of a made-up board, cross-validated."""
    from flexpie_tvm.cost.train import train

    from .cost.machine import traces

    return train(*traces(600, 240), folds=4, rounds=100)


@pytest.fixture(scope="session")
def learned(trained):
    """The made-up board's cost model."""
    return trained.cost
