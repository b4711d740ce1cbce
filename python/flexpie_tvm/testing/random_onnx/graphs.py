# SPDX-License-Identifier: Apache-2.0
"""Random small networks: 5 to 12 nodes, with branches, skips and several outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .draws import IR_VERSION, Draw, floats, one_of, sizes
from .engine import answers
from .images import IMAGE
from .steps import ANY

#: Tensors that grow larger than either end a draw: their sums would round by more than is allowed.
LARGEST, ELEMENTS = 200.0, 20_000


@dataclass(frozen=True)
class RandomGraph:
    """A network that onnxruntime takes.

    Parameters
    ----------
    model : onnx.ModelProto
        Its outputs are the results that no node reads.
    feeds : dict
        Name -> value of its input.
    draws : tuple of Draw
        Its nodes, in order.
    """

    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    draws: tuple[Draw, ...]

    def __str__(self) -> str:
        return " -> ".join(map(str, self.draws))


def random_graph(opset: int, seed: int) -> RandomGraph:
    """A network; the same seed draws the same.

    Each node goes on from a tensor that was drawn among those so far, most often the last. What
    onnxruntime refuses is drawn again.

    Parameters
    ----------
    opset : int
        Version of the standard, 7 to 23.
    seed : int
        The same seed draws the same network.
    """
    rng = np.random.default_rng(seed)
    start = floats(rng, *one_of(rng, (1, *sizes(rng, 3, 3, 8)), sizes(rng, 3, 2, 6)))
    builder = _Builder(opset, start)
    count = int(rng.integers(5, 13))
    for _ in range(20 * count):
        if len(builder.draws) == count:
            break
        pool = [v for v in builder.values if v.ndim]
        if rng.random() < 0.25:
            last = int(rng.integers(len(pool)))
            pool.append(pool.pop(last))
        kinds = IMAGE if pool[-1].ndim == 4 and rng.random() < 0.6 else ANY
        draw = one_of(rng, *kinds)(rng, opset, pool)
        if draw is not None:
            builder.try_node(draw)
    return builder.graph()


class _Builder:
    """Nodes so far, and the value of each tensor."""

    def __init__(self, opset: int, start: np.ndarray):
        self.values, self.draws = [start], []
        self._opset, self._start = opset, start
        self._names = {id(start): "x"}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def try_node(self, draw: Draw) -> None:
        """Append a node, if onnxruntime takes it and its results are neither odd nor large."""
        tensors = [k for k, v in enumerate(draw.inputs) if v is not None and id(v) in self._names]
        rest = [k for k in range(len(draw.inputs)) if k not in tensors]
        draw = Draw(draw.operator, draw.inputs, draw.attributes, rest, draw.outputs, self._opset)
        try:
            found = [np.asarray(y) for y in answers(draw)]
        except Exception:  # what onnxruntime says of a node is not ours to judge
            return
        if any(
            y.dtype != np.float32
            or not 0 < y.size <= ELEMENTS
            or not np.abs(y).max() <= LARGEST
            or (y.size > 1 and np.ptp(y) < 0.01)
            for y in found
        ):
            return
        self._append(draw, found)

    def _append(self, draw: Draw, found: list[np.ndarray]) -> None:
        k = len(self.draws)
        names = []
        for j, value in enumerate(draw.inputs):
            if value is None:
                names.append("")
            elif id(value) in self._names:
                names.append(self._names[id(value)])
            else:
                names.append(f"w{k}_{j}")
                self._weights.append(numpy_helper.from_array(value, names[-1]))
        results = [f"y{k}_{j}" for j in range(len(found))]
        attributes = {name: v for name, v in draw.attributes.items() if v is not None}
        self._nodes.append(
            helper.make_node(draw.operator, names, results, f"node{k}", **attributes)
        )
        for name, value in zip(results, found, strict=True):
            self.values.append(value)  # which keeps its id from being given to another
            self._names[id(value)] = name
        self.draws.append(draw)

    def graph(self) -> RandomGraph:
        """All that was appended."""
        read = {name for node in self._nodes for name in node.input}
        ends = [name for node in self._nodes for name in node.output if name not in read]
        kind = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, self._start.shape)
        outputs = [onnx.ValueInfoProto(name=name) for name in ends]
        graph = helper.make_graph(self._nodes, "random", [kind], outputs, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)])
        model.ir_version = IR_VERSION
        return RandomGraph(model, {"x": self._start}, tuple(self.draws))
