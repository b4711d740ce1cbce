# SPDX-License-Identifier: Apache-2.0
"""``Resize`` and ``Upsample``.

Axes are resized one after the other. An axis that takes nearest elements is indexed; one that
mixes them is multiplied by a matrix of shares. Where Relay's own operator for images does the
same, which boards cut in space, that is used.
"""

from __future__ import annotations

import math

import numpy as np
from tvm import relay

from ..local_types import type_of
from .interpolation import Axis, nearest, outside, weights
from .node import Node, integers, scalar, tensor

LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def resize(node: Node) -> relay.Expr:
    """Resize a tensor along any axes."""
    kind, mode = node.get("mode", "nearest"), _coordinate_mode(node)
    axes = _axes_of(node)
    if kind not in ("nearest", "linear", "cubic"):
        raise node.error(f"mode {kind} is not known")
    data = _by_images(node, axes, kind, mode)
    if data is not None:
        return data
    data, dtype = node.inputs[0], node.dtype()
    for k, axis in axes.items():
        if kind == "nearest":
            data = _indexed(data, k, axis, nearest(axis, mode, _rounding(node, axis)))
            continue
        table = weights(
            axis,
            mode,
            kind,
            bool(node.get("antialias", 0)),
            node.get("cubic_coeff_a", -0.75),
            bool(node.get("exclude_outside", 0)),
        )
        data = _mixed(data, k, len(node.shape()), table, dtype)
    if mode == "tf_crop_and_resize":
        data = _extrapolated(node, data, axes, dtype)
    return node.unchanged() if data is node.inputs[0] else data


def _coordinate_mode(node: Node) -> str:
    if node.opset < 11:
        return "asymmetric"
    return node.get("coordinate_transformation_mode", "half_pixel")


def _rounding(node: Node, axis: Axis) -> str:
    """Which element a place between two means; up to opset 10 the next one of a larger input."""
    if node.opset >= 11:
        return node.get("nearest_mode", "round_prefer_floor")
    return "floor" if axis.scale >= 1 else "ceil"


def _axes_of(node: Node) -> dict[int, Axis]:
    """Axes that change or are cropped: index -> how."""
    shape = node.shape()
    if node.opset < 11:
        scales = node.known(1, "scales")
        scales, sizes, region = node.get("scales") if scales is None else scales, None, None
    else:
        region, scales, sizes = (node.known(k, "sizes and scales") for k in (1, 2, 3))
    rank = len(shape)
    named = [axis % rank for axis in node.get("axes", range(rank))]
    scales = None if scales is not None and not len(scales) else scales
    if sizes is not None and len(sizes):
        factors = _factors(node, [shape[a] for a in named], integers(sizes))
        results = integers(sizes)
        if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            results = [math.floor(f * shape[a] + 0.5) for f, a in zip(factors, named, strict=True)]
    elif scales is not None:
        factors = [float(scale) for scale in scales]
        results = [math.floor(shape[a] * f) for a, f in zip(named, factors, strict=True)]
    else:
        raise node.error("neither sizes nor scales are given")
    if _coordinate_mode(node) != "tf_crop_and_resize" or region is None or not len(region):
        region = [0.0] * len(named) + [1.0] * len(named)
    found = {}
    for k, (a, result, factor) in enumerate(zip(named, results, factors, strict=True)):
        axis = Axis(shape[a], result, factor, float(region[k]), float(region[k + len(named)]))
        if (axis.result, axis.scale, axis.begin, axis.end) != (axis.length, 1.0, 0.0, 1.0):
            found[a] = axis
    return found


def _factors(node: Node, lengths: list[int], sizes: list[int]) -> list[float]:
    factors = [size / length for size, length in zip(sizes, lengths, strict=True)]
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return factors
    return [min(factors) if policy == "not_larger" else max(factors)] * len(factors)


def _by_images(node: Node, axes: dict[int, Axis], kind: str, mode: str) -> relay.Expr | None:
    """Relay's operator for images, if it computes the same."""
    shape = node.shape()
    spatial = len(shape) - 2
    if spatial not in LAYOUTS or not axes or min(axes) < 2 or not _plain(node, axes, kind, mode):
        return None
    result = list(shape)
    for k, axis in axes.items():
        result[k] = axis.result
    if mode == "align_corners" and 1 in result[2:]:  # TVM divides by zero
        return None
    resized = getattr(relay.image, f"resize{spatial}d")
    method, rounding = "nearest_neighbor" if kind == "nearest" else "linear", ""
    if kind == "nearest":
        mode, rounding = "asymmetric", "floor"
    return resized(node.inputs[0], result[2:], None, LAYOUTS[spatial], method, mode, rounding)


def _plain(node: Node, axes: dict[int, Axis], kind: str, mode: str) -> bool:
    """True if whole copies are made of each element, or two neighbours are mixed."""
    if kind == "nearest":
        return all(
            axis.result % axis.length == 0
            and np.array_equal(
                nearest(axis, mode, _rounding(node, axis)),
                np.arange(axis.result) // (axis.result // axis.length),
            )
            for axis in axes.values()
        )
    if kind == "cubic" or mode not in ("half_pixel", "asymmetric", "align_corners"):
        return False
    if node.get("exclude_outside", 0):
        return False
    if node.get("antialias", 0) and any(axis.scale < 1 for axis in axes.values()):
        return False
    return all(
        axis.result > 1 and axis.scale * axis.length == axis.result for axis in axes.values()
    )


def _indexed(data: relay.Expr, k: int, axis: Axis, indices: np.ndarray) -> relay.Expr:
    if np.array_equal(indices, np.arange(axis.length)):
        return data
    return relay.take(data, tensor(indices.astype("int32")), axis=k, mode="fast")


def _mixed(data: relay.Expr, k: int, rank: int, table: np.ndarray, dtype: str) -> relay.Expr:
    """An axis multiplied by a matrix of shares, ``(result, length)``."""
    order = [*(a for a in range(rank) if a != k), k]
    exact = dtype if dtype in ("float32", "float64") else "float32"
    turned = relay.transpose(data, order) if k != rank - 1 else data
    turned = relay.cast(turned, exact) if exact != dtype else turned
    flat = relay.reshape(turned, (-1, table.shape[1]))
    flat = relay.nn.dense(flat, tensor(table.astype(exact)))
    shape = [-1, *_others(turned, table.shape[0])]
    turned = relay.reshape(flat, shape)
    if exact != dtype:
        turned = relay.cast(_rounded(turned, dtype), dtype)
    back = [int(a) for a in np.argsort(order)]
    return relay.transpose(turned, back) if k != rank - 1 else turned


def _others(turned: relay.Expr, last: int) -> list[int]:
    shape = type_of(turned).shape
    return [*(int(n) for n in shape[1:-1]), last] if len(shape) > 1 else []


def _rounded(data: relay.Expr, dtype: str) -> relay.Expr:
    """Integers are cut off as engines do it, within what their type holds."""
    if dtype.startswith("float"):
        return data
    info = np.iinfo(dtype)
    return relay.clip(data, float(info.min), float(info.max))


def _extrapolated(node: Node, data: relay.Expr, axes: dict[int, Axis], dtype: str) -> relay.Expr:
    """A fixed value where the part that is taken is outside of the input."""
    rank, mask = len(node.shape()), np.zeros((1,) * len(node.shape()), bool)
    for k, axis in axes.items():
        there = outside(axis, "tf_crop_and_resize")
        mask = mask | there.reshape([-1 if a == k else 1 for a in range(rank)])
    if not mask.any():
        return data
    return relay.where(tensor(mask), scalar(node.get("extrapolation_value", 0.0), dtype), data)
