# SPDX-License-Identifier: Apache-2.0
"""Quantized operators: the rules of their plain ones, with scales and zero points added.

Scales and zero points are scalars, read whole, or vectors along one axis of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region, empty, whole
from .base import Rule, Tile
from .conv import Conv
from .elementwise import broadcast
from .layout import parse_layout
from .matmul import Dense, Matmul
from .norm import AlongAxis
from .pool import WindowPool
from .transposed import TransposedConv


class QuantizedPointwise(Rule):
    """Cuttable along every axis.

    Pointwise over the first inputs; the parameters follow.

    Parameters
    ----------
    data : int
        Number of data inputs, each with its own scale and zero point if there are several.
    """

    pointwise = True

    def __init__(self, data: int = 1):
        self._data = data

    def tile(self, op: Op, region: Region) -> Tile:
        inputs = [broadcast(region, shape) for shape in op.in_shapes[: self._data]]
        names = ("lhs_axis", "rhs_axis") if self._data == 2 else ("axis",)
        for position, shape in enumerate(op.in_shapes[self._data :]):
            axis = op.attrs.get(names[min(position // 2, len(names) - 1)], -1)
            inputs.append(_parameter(region, axis, shape))
        return Tile(region, tuple(inputs))


class QuantizedConv(Conv):
    """As ``nn.conv2d``; scales per channel are cut with the output channels."""

    def tile(self, op: Op, region: Region) -> Tile:
        tile = super().tile(op, region)
        channel = parse_layout(op.attrs.get("out_layout") or op.attrs["data_layout"]).index("C")
        return _with_parameters(op, tile, channel)


class QuantizedTransposedConv(TransposedConv):
    """As ``nn.conv2d_transpose``."""

    def tile(self, op: Op, region: Region) -> Tile:
        tile = super().tile(op, region)
        return _with_parameters(op, tile, parse_layout(op.attrs["data_layout"]).index("C"))


class QuantizedDense(Dense):
    """As ``nn.dense``."""

    def tile(self, op: Op, region: Region) -> Tile:
        return _with_parameters(op, super().tile(op, region), region.rank - 1)


class QuantizedMatmul(Matmul):
    """As ``nn.batch_matmul``."""

    def tile(self, op: Op, region: Region) -> Tile:
        return _with_parameters(op, super().tile(op, region), region.rank - 1)


class QuantizedPool(WindowPool):
    """As ``nn.avg_pool2d``."""

    def tile(self, op: Op, region: Region) -> Tile:
        return _with_parameters(op, super().tile(op, region), -1)


class QuantizedSoftmax(AlongAxis):
    """As ``nn.softmax``."""


class QuantizedConcatenate(Rule):
    """Every axis is cuttable; an input that the region does not meet is not read."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int = op.attrs["axis"] % region.rank
        count = (len(op.in_shapes) - 2) // 3
        start, stop = region.bounds[axis]
        offset = 0
        inputs: list[Region] = []
        for shape in op.in_shapes[:count]:
            low, high = max(start - offset, 0), min(stop - offset, shape[axis])
            inputs.append(region.replace(axis, low, high) if low < high else empty(region.rank))
            offset += shape[axis]
        return Tile(region, (*inputs, *(whole(s) for s in op.in_shapes[count:])))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return inputs[0]


def _parameter(region: Region, axis: int, shape: tuple[int, ...]) -> Region:
    size_one = not shape or shape == (1,)
    return whole(shape) if size_one else Region((region.bounds[axis % region.rank],))


def _with_parameters(op: Op, tile: Tile, channel: int) -> Tile:
    """Add the parameters behind data and weight; vectors follow axis ``channel``."""
    missing = op.in_shapes[len(tile.inputs) :]
    others = tuple(_parameter(tile.region, channel, shape) for shape in missing)
    return Tile(tile.region, (*tile.inputs, *others), tile.attrs)


UNARY = ["abs", "erf", "exp", "hardswish", "leaky_relu", "log", "rsqrt", "sigmoid", "sqrt", "tanh"]

RULES: dict[str, Rule] = {
    **{f"qnn.{kind}": QuantizedPointwise() for kind in ("quantize", "dequantize", "requantize")},
    **{f"qnn.{kind}": QuantizedPointwise() for kind in UNARY},
    **{f"qnn.{kind}": QuantizedPointwise(2) for kind in ("add", "subtract", "mul")},
    "qnn.conv2d": QuantizedConv(),
    "qnn.conv2d_transpose": QuantizedTransposedConv(),
    "qnn.dense": QuantizedDense(),
    "qnn.batch_matmul": QuantizedMatmul(),
    "qnn.avg_pool2d": QuantizedPool(),
    "qnn.softmax": QuantizedSoftmax(),
    "qnn.concatenate": QuantizedConcatenate(),
}
