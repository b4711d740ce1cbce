# SPDX-License-Identifier: Apache-2.0
"""Pointwise operators: unary, broadcasting binary, and those with per-channel parameters."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Op, Region
from .base import Rule, Tile

UNARY = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bitwise_not",
    "cast",
    "ceil",
    "clip",
    "copy",
    "cos",
    "cosh",
    "erf",
    "exp",
    "fast_erf",
    "fast_exp",
    "fast_tanh",
    "fixed_point_multiply",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log10",
    "log2",
    "logical_not",
    "negative",
    "nn.dropout",
    "nn.leaky_relu",
    "nn.relu",
    "ones_like",
    "reinterpret",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    "zeros_like",
    "annotation.stop_fusion",
    "full_like",
]

BINARY = [
    "add",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "divide",
    "equal",
    "floor_divide",
    "floor_mod",
    "greater",
    "greater_equal",
    "left_shift",
    "less",
    "less_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "not_equal",
    "power",
    "right_shift",
    "subtract",
    "trunc_divide",
    "trunc_mod",
    "where",
]


class Pointwise(Rule):
    """Cuttable along every axis; inputs broadcast, sizes of one are read whole."""

    pointwise = True

    def tile(self, op: Op, region: Region) -> Tile:
        full = op.out_shape
        return Tile(
            region, tuple([region if s == full else broadcast(region, s) for s in op.in_shapes])
        )


class PerChannel(Rule):
    """Cuttable along every axis; the second input is cut with the channels."""

    pointwise = True

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int = op.attrs["axis"] % len(op.out_shape)
        parameter = Region((region.bounds[axis],))
        return Tile(region, (region, parameter))


class PerAxis(Rule):
    """Cuttable along every axis; the other inputs are vectors along attribute ``axes``."""

    pointwise = True

    def tile(self, op: Op, region: Region) -> Tile:
        axes: Sequence[int] = op.attrs["axes"]
        if len(axes) != 1:
            return super().tile(op, region)
        parameter = Region((region.bounds[axes[0] % region.rank],))
        return Tile(region, (region, *(parameter for _ in op.in_shapes[1:])))


def broadcast(region: Region, shape: tuple[int, ...]) -> Region:
    """The part of a broadcast input that a region reads.

    Parameters
    ----------
    region : Region
        Of the output.
    shape : tuple of int
        Shape of the whole input, of at most as many axes; each size is the output's or 1.
    """
    tail = region.bounds[region.rank - len(shape) :]
    pairs = zip(tail, shape, strict=True)
    return Region(tuple([(0, 1) if size == 1 else bounds for bounds, size in pairs]))


RULES: dict[str, Rule] = {
    **{kind: Pointwise() for kind in (*UNARY, *BINARY)},
    "nn.bias_add": PerChannel(),
    "nn.prelu": PerChannel(),
    "fixed_point_multiply_per_axis": PerAxis(),
}
