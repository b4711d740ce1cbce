# SPDX-License-Identifier: Apache-2.0
"""A node that was drawn, and small tools to draw one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

IR_VERSION = 10


@dataclass(frozen=True)
class Draw:
    """A node with values for its inputs.

    Parameters
    ----------
    operator : str
        Such as ``"Pad"``.
    inputs : sequence of numpy.ndarray or None
        None for an input that is left out.
    attributes : mapping
        Name -> value.
    constant : sequence of int
        Which inputs are weights of the model.
    outputs : int
        Number of results that are asked for.
    opset : int
        Version of the standard.
    """

    operator: str
    inputs: Sequence[np.ndarray | None]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constant: Sequence[int] = ()
    outputs: int = 1
    opset: int = 0

    def __str__(self) -> str:
        shapes = ", ".join(
            "-" if x is None
            else f"{x.tolist()}" if k in self.constant and x.size <= 8
            else f"{x.dtype} {list(x.shape)}{' constant' if k in self.constant else ''}"
            for k, x in enumerate(self.inputs)
        )  # fmt: skip
        return f"{self.operator}-{self.opset}({shapes}) {dict(self.attributes)}"


def model_of(draws: Sequence[Draw]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Nodes side by side as one model, and its inputs by name.

    Results of node k are called ``y{k}_0``, ``y{k}_1``, ...
    """
    nodes, inputs, outputs, weights, feeds = [], [], [], [], {}
    for k, draw in enumerate(draws):
        names = []
        for j, value in enumerate(draw.inputs):
            names.append("" if value is None else f"x{k}_{j}")
            if value is None:
                continue
            if j in draw.constant:
                weights.append(numpy_helper.from_array(value, names[-1]))
            else:
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                inputs.append(helper.make_tensor_value_info(names[-1], kind, value.shape))
                feeds[names[-1]] = value
        results = [f"y{k}_{j}" for j in range(draw.outputs)]
        attributes = {name: v for name, v in draw.attributes.items() if v is not None}
        nodes.append(helper.make_node(draw.operator, names, results, f"node{k}", **attributes))
        outputs += [onnx.ValueInfoProto(name=name) for name in results]
    graph = helper.make_graph(nodes, "random", inputs, outputs, weights)
    version = max(draw.opset for draw in draws)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    model.ir_version = IR_VERSION
    return model, feeds


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Normal values."""
    return rng.standard_normal(shape, dtype="float32")


def sizes(rng: np.random.Generator, rank: int, low: int = 1, high: int = 7) -> tuple[int, ...]:
    """A shape."""
    return tuple(int(n) for n in rng.integers(low, high + 1, rank))


def flip(rng: np.random.Generator) -> bool:
    """A fair coin."""
    return bool(rng.integers(2))


def one_of(rng: np.random.Generator, *choices: Any) -> Any:
    """One of several values."""
    return choices[int(rng.integers(len(choices)))]


def some_axes(rng: np.random.Generator, rank: int, least: int = 1) -> list[int]:
    """Different axes in any order, some counted from the end."""
    count = int(rng.integers(least, rank + 1))
    return [int(a) - rank * flip(rng) for a in rng.permutation(rank)[:count]]


def int64(values: Sequence[int]) -> np.ndarray:
    """A vector."""
    return np.array(values, "int64")
