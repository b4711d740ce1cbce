# SPDX-License-Identifier: Apache-2.0
"""Relay operators in numpy, for the operators that models are made of.

A second implementation beside TVM's, and quick for shapes that are met once. Sums are taken
in double precision, so that a tile and the whole agree to the last bit but for rare ties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import erf
from typing import Any

import numpy as np

from ..passes.fold import relayout
from ..rules.layout import parse_layout
from .windows import avg_pool, convolve, max_pool, transposed_convolve

Array = np.ndarray
Kernel = Callable[[Mapping[str, Any], Sequence[Array], tuple[int, ...]], Array]


def _spatial(layout: str) -> str:
    return "".join(parse_layout(layout).spatial)


def _conv(attrs, args, shape):
    layout, space = attrs["data_layout"], _spatial(attrs["data_layout"])
    groups, weights = attrs["groups"], attrs["kernel_layout"]
    x = relayout(args[0], layout, "NC" + space)
    w = relayout(args[1], weights, "OI" + space)
    if groups > 1 and (weights.startswith("OIHW1i") or weights == "HWOI"):
        w = w.reshape(-1, 1, *w.shape[2:])  # depthwise: O x multiplier
    out = convolve(x, w, attrs["strides"], attrs["padding"], attrs["dilation"], groups)
    return relayout(out, "NC" + space, attrs["out_layout"] or layout)


def _transposed_conv(attrs, args, shape):
    space = _spatial(attrs["data_layout"])
    x = relayout(args[0], attrs["data_layout"], "NC" + space)
    w = relayout(args[1], attrs["kernel_layout"], "IO" + space)
    out = transposed_convolve(
        x, w, attrs["strides"], attrs["padding"], attrs["output_padding"], attrs["groups"]
    )
    return relayout(out, "NC" + space, attrs["data_layout"])


def _pool(which) -> Kernel:
    def run(attrs, args, shape):
        layout, space = parse_layout(attrs["layout"]), _spatial(attrs["layout"])
        sizes = [shape[layout.index(x)] for x in space]
        x = relayout(args[0], attrs["layout"], "NC" + space)
        return relayout(which(x, attrs, sizes), "NC" + space, attrs["layout"])

    return run


def _global_pool(reduce) -> Kernel:
    def run(attrs, args, shape):
        letters = parse_layout(attrs["layout"]).letters
        axes = tuple(a for a, x in enumerate(letters) if x in "DHW")
        return reduce(args[0].astype("float64"), axis=axes, keepdims=True)

    return run


def _reduction(reduce) -> Kernel:
    def run(attrs, args, shape):
        rank, axis = args[0].ndim, attrs["axis"]
        chosen = range(rank) if axis is None or axis == () else axis
        chosen = {a % rank for a in ([chosen] if isinstance(chosen, int) else chosen)}
        if attrs["exclude"]:
            chosen = set(range(rank)) - chosen
        wide = args[0].astype("float64") if args[0].dtype.kind == "f" else args[0]
        return reduce(wide, axis=tuple(sorted(chosen)), keepdims=bool(attrs["keepdims"]))

    return run


def _softmax(attrs, args, shape):
    x = args[0].astype("float64")
    e = np.exp(x - x.max(attrs["axis"], keepdims=True))
    return e / e.sum(attrs["axis"], keepdims=True)


def _dense(attrs, args, shape):
    return args[0].astype("float64") @ args[1].astype("float64").T


def _batch_matmul(attrs, args, shape):
    a, b = (x.astype("float64") for x in args)
    a = a.swapaxes(-1, -2) if attrs["transpose_a"] else a
    return a @ (b.swapaxes(-1, -2) if attrs["transpose_b"] else b)


def _per_channel(value: Array, axis: int, rank: int) -> Array:
    shape = [1] * rank
    shape[axis % rank] = value.size
    return value.reshape(shape)


def _prelu(attrs, args, shape):
    x = args[0]
    return np.where(x > 0, x, x * _per_channel(args[1], attrs["axis"], x.ndim))


def _divide(attrs, args, shape):
    a, b = args
    if a.dtype.kind == "f":
        return a / b
    return np.where(b == 0, 0, np.sign(a) * np.sign(b) * (abs(a) // np.maximum(abs(b), 1)))


def _slice(attrs, args, shape):
    x = args[0]
    axes = attrs.get("axes") or range(len(attrs["begin"]))
    strides = attrs.get("strides") or (1,)
    for k, axis in enumerate(axes):
        axis, begin, step = axis % x.ndim, attrs["begin"][k], 1
        if attrs["slice_mode"] == "end":
            step = strides[k] if k < len(strides) else 1
        size = x.shape[axis]
        begin = min(max(begin + size if begin < 0 else begin, 0), size - 1 if step < 0 else size)
        x = np.take(x, begin + step * np.arange(shape[axis]), axis)
    return x


def _take(attrs, args, shape):
    x, index = args
    mode = {"fast": "clip"}.get(attrs["mode"], attrs["mode"])
    axis, batch = attrs["axis"], attrs["batch_dims"]
    if not batch:
        return np.take(x, index.astype("int64"), axis, mode=mode)
    axis, batch = axis % x.ndim - batch, batch % index.ndim  # each of a batch has its own indices
    every = np.ndindex(x.shape[:batch])
    taken = [np.take(x[k], index[k].astype("int64"), axis, mode=mode) for k in every]
    return np.reshape(taken, (*x.shape[:batch], *taken[0].shape))


def _pad(attrs, args, shape):
    width = [tuple(p) for p in attrs["pad_width"]]
    if attrs["pad_mode"] == "constant":
        return np.pad(args[0], width, constant_values=args[1].reshape(-1)[0])
    return np.pad(args[0], width, mode=attrs["pad_mode"])


def _unary(function) -> Kernel:
    return lambda attrs, args, shape: function(args[0])


def _binary(function) -> Kernel:
    return lambda attrs, args, shape: function(args[0], args[1])


def _sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


def _reshape(attrs, args, shape):
    return args[0].reshape(shape)


UNARY = {
    "nn.relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x.astype("float64")),
    "abs": np.abs,
    "negative": np.negative,
    "floor": np.floor,
    "ceil": np.ceil,
    "sign": np.sign,
    "copy": np.copy,
    "flexpie.partition": np.copy,
    "erf": np.vectorize(erf, otypes=["float64"]),
    "logical_not": np.logical_not,
}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
}
KERNELS: Mapping[str, Kernel] = {
    **{name: _unary(f) for name, f in UNARY.items()},
    **{name: _binary(f) for name, f in BINARY.items()},
    **dict.fromkeys(
        (
            "nn.conv1d",
            "nn.conv2d",
            "nn.conv3d",
            "nn.contrib_conv2d_NCHWc",
            "nn.contrib_depthwise_conv2d_NCHWc",
        ),
        _conv,
    ),
    **{f"nn.conv{r}d_transpose": _transposed_conv for r in (1, 2, 3)},
    **{f"nn.max_pool{r}d": _pool(max_pool) for r in (1, 2, 3)},
    **{f"nn.avg_pool{r}d": _pool(avg_pool) for r in (1, 2, 3)},
    **dict.fromkeys(("reshape", "squeeze", "expand_dims", "nn.batch_flatten"), _reshape),
    **{name: _reduction(getattr(np, name)) for name in ("mean", "sum", "max", "min", "prod")},
    "nn.global_avg_pool2d": _global_pool(np.mean),
    "nn.global_max_pool2d": _global_pool(np.max),
    "nn.softmax": _softmax,
    "nn.dense": _dense,
    "nn.batch_matmul": _batch_matmul,
    "nn.bias_add": lambda a, x, s: x[0] + _per_channel(x[1], a["axis"], x[0].ndim),
    "nn.prelu": _prelu,
    "nn.leaky_relu": lambda a, x, s: np.where(x[0] > 0, x[0], x[0] * np.float32(a["alpha"])),
    "nn.pad": _pad,
    "clip": lambda a, x, s: np.clip(x[0], a["a_min"], a["a_max"]),
    "divide": _divide,
    "cast": lambda a, x, s: x[0],
    "reinterpret": lambda a, x, s: x[0].view(a["dtype"]),
    "where": lambda a, x, s: np.where(x[0], x[1], x[2]),
    "concatenate": lambda a, x, s: np.concatenate(x, a["axis"]),
    "transpose": lambda a, x, s: x[0].transpose(a["axes"] or None),
    "broadcast_to": lambda a, x, s: np.broadcast_to(x[0], s),
    "layout_transform": lambda a, x, s: relayout(x[0], a["src_layout"], a["dst_layout"]),
    "strided_slice": _slice,
    "take": _take,
}
