# SPDX-License-Identifier: Apache-2.0
"""Networks for tests and benchmarks that come with packages: nothing is downloaded.

``load_network`` knows all of them by name (``NETWORKS``).

The onnx package carries well-known architectures whose weights are constants. Constant
weights hide mistakes (every channel is the same), so they get random ones here, scaled so
that activations neither vanish nor explode.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path

import numpy as np
import onnx
import tvm
from onnx import numpy_helper

from ..frontend.onnx_model import load_onnx
from .relay_networks import WORKLOADS, bert_encoder, relay_network

LIGHT = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


@dataclass(frozen=True)
class PaddleModel:
    """A trained PP-OCR model of the rapidocr-onnxruntime package."""

    file: str
    shapes: dict[str, tuple[int, ...]]


PADDLE = {
    "ppocr_det": PaddleModel("ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 320, 320)}),
    "ppocr_rec": PaddleModel("ch_PP-OCRv4_rec_infer.onnx", {"x": (1, 3, 48, 320)}),
    "ppocr_cls": PaddleModel("ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (1, 3, 48, 192)}),
}

NETWORKS = (*PADDLE, *LIGHT, *WORKLOADS, "bert")


def load_network(name: str, folder: Path) -> tvm.IRModule:
    """A network as its importer gives it, with random weights where it has constant ones.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``.
    folder : Path
        Where a model file may be written.
    """
    if name in PADDLE:
        return load_onnx(paddle_model(name), PADDLE[name].shapes)
    if name in LIGHT:
        return load_onnx(light_model(name, folder))
    return bert_encoder() if name == "bert" else relay_network(name)


def paddle_model(name: str) -> Path:
    """File of a trained PP-OCR model.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    found = importlib.util.find_spec("rapidocr_onnxruntime")
    if found is None or found.origin is None:
        raise FileNotFoundError("rapidocr-onnxruntime is not installed: pip install it")
    return Path(found.origin).parent / "models" / PADDLE[name].file


def light_model(name: str, folder: Path, seed: int = 0) -> Path:
    """Write an architecture of the onnx package with random weights.

    Parameters
    ----------
    name : str
        One of ``LIGHT``.
    folder : Path
        Where ``<name>.onnx`` is written.
    seed : int
        Of the weights.

    Returns
    -------
    path : Path
    """
    source = Path(onnx.__file__).parent / "backend/test/data/light" / f"light_{name}.onnx"
    model = onnx.load(str(source))
    randomize_weights(model, np.random.default_rng(seed))
    drop_softmax(model)
    path = folder / f"{name}.onnx"
    onnx.save(model, str(path))
    return path


def randomize_weights(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Replace a model's constant float weights by random ones, in place."""
    graph = model.graph
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    roles = {
        name: (node.op_type, position)
        for node in graph.node
        for position, name in enumerate(node.input)
    }
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in shapes:
            kept.append(node)
            continue
        shape = tuple(int(n) for n in shapes[node.input[0]])
        value = random_weight(shape, *roles.get(node.output[0], ("", 0)), rng)
        graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)


def drop_softmax(model: onnx.ModelProto) -> None:
    """Give the scores themselves: a softmax of random scores is all but one zeros."""
    graph = model.graph
    last = next(n for n in graph.node if graph.output[0].name in n.output)
    if last.op_type == "Softmax":
        graph.node.remove(last)
        graph.output[0].name = last.input[0]


def random_weight(
    shape: tuple[int, ...], op: str, position: int, rng: np.random.Generator
) -> np.ndarray:
    """A weight that keeps the variance of what flows through it."""
    if op == "BatchNormalization":
        if position in (1, 4):  # scale, variance
            return rng.uniform(0.5, 1.5, shape).astype("float32")
        return rng.normal(0, 0.1, shape).astype("float32")
    if len(shape) > 1:
        return rng.normal(0, sqrt(2 / prod(shape[1:])), shape).astype("float32")
    return rng.normal(0, 0.1, shape).astype("float32")
