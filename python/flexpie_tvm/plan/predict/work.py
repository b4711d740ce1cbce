# SPDX-License-Identifier: Apache-2.0
"""From the tiles of a layer's operators to the record that a cost model is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, prod

import numpy as np

from ...arrays import Ints
from ...cost.records import Links, TileWork, Transfer
from ...graph import Graph, Layer, Op, Region, Tensor
from ...rules import Tile, rule_for
from ..model.cluster import ClusterSpec
from .facts import BoardFigures, Facts, Traffic, Window

#: Pointwise operators that cost many times an addition.
SPECIAL = frozenset(
    (
        "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp",
        "fast_erf", "fast_exp", "fast_tanh", "log", "log10", "log2", "nn.fast_softmax",
        "nn.log_softmax", "nn.softmax", "power", "rsqrt", "sigmoid", "sin", "sinh", "sqrt",
        "tan", "tanh",
    )
)  # fmt: skip
#: Attributes that decide which program computes an operator.
DECISIVE = (
    "src_layout", "dst_layout", "axis", "axes", "method", "coordinate_transformation_mode",
    "transpose_a", "transpose_b", "ceil_mode", "count_include_pad",
)  # fmt: skip


def tile_work(
    graph: Graph,
    layer: Layer,
    tiles: Mapping[int, Tile | None],
    board: BoardFigures,
    named: bool = False,
    memo: Facts | None = None,
) -> TileWork | None:
    """The work of one board on one layer.

    Parameters
    ----------
    graph, layer : Graph, Layer
        The layer.
    tiles : mapping
        Operator id -> this board's tile; None where it computes nothing.
    board : BoardFigures
        This board, as `board_figures` tells.
    named : bool
        Put the layer's name into the record.
    memo : Facts, optional
        Remembers what is known of operators between calls for the same graph.

    Returns
    -------
    work : TileWork or None
        None if the board has nothing to do.
    """
    busy = [(graph.ops[op], made) for op in layer.ops if (made := tiles[op]) is not None]
    if not busy:
        return None
    memo = Facts() if memo is None else memo
    flops = sum(_flops(op, tile, memo) for op, tile in busy)
    read, weights, written = _bytes(graph, layer, busy, memo)
    read += sum(op.attrs.get("traffic", 0) for op, _ in busy)
    anchor, tile = graph.ops[layer.anchor], tiles[layer.anchor]
    if tile is None:
        anchor, tile = busy[0]
    nodes, speed, kind = board
    return TileWork(
        kind=anchor.kind,
        in_hwc=_hwc(graph, anchor.inputs[0], tile.inputs[0]) if anchor.inputs else (0, 0, 0),
        out_hwc=_hwc(graph, anchor.outputs[0], tile.region),
        dtype=anchor.dtype,
        flops=flops,
        bytes_read=read,
        bytes_weights=weights,
        bytes_written=written,
        ops=sum(op.attrs.get("kernels", 1) for op, _ in busy),
        nodes=nodes,
        speed=speed,
        board_kind=kind,
        layer=layer.name if named else "",
        padding=_ints(tile.attrs.get("padding", anchor.attrs.get("padding", ()))),
        groups=int(tile.attrs.get("groups", anchor.attrs.get("groups", 1))),
        special=sum(_special(op, tile) for op, tile in busy),
        **_window(graph, anchor, memo),
    )


def _flops(op: Op, tile: Tile, memo: Facts) -> int:
    key = (op.id, tile.region.shape)
    if key not in memo.flops:
        memo.flops[key] = rule_for(op).flops(op, tile.region)
    return ceil(memo.flops[key] * tile.depth - 1e-6)  # parts together do no less than the whole


def _special(op: Op, tile: Tile) -> int:
    """Elements that are computed by costly functions."""
    return op.attrs.get("special", tile.region.volume if op.kind in SPECIAL else 0)


def _traffic(graph: Graph, layer: Layer, op: Op, memo: Facts) -> Traffic:
    if op.id not in memo.traffic:
        inside = {t for other in layer.ops for t in graph.ops[other].outputs}
        outside = [
            (place, t, graph.tensors[t].itemsize)
            for place, t in enumerate(op.inputs)
            if t not in inside
        ]
        constant = [graph.tensors[t].kind == "constant" for _, t, _ in outside]
        memo.traffic[op.id] = Traffic(
            tuple(o for o, c in zip(outside, constant, strict=True) if not c),
            tuple(o for o, c in zip(outside, constant, strict=True) if c),
            sum(graph.tensors[t].itemsize for t in op.outputs if t in layer.outputs),
        )
    return memo.traffic[op.id]


def _bytes(
    graph: Graph, layer: Layer, busy: Sequence[tuple[Op, Tile]], memo: Facts
) -> tuple[int, int, int]:
    """Bytes of activations from outside the layer, of constants, and of results."""
    read: dict[int, int] = {}
    weights: dict[int, int] = {}
    written = 0
    for op, tile in busy:
        traffic = _traffic(graph, layer, op, memo)
        for known, sources in ((read, traffic.reads), (weights, traffic.weights)):
            for place, tensor, itemsize in sources:
                size = tile.inputs[place].volume * itemsize
                known[tensor] = max(known.get(tensor, 0), size)
        if traffic.given:
            written += tile.region.volume * traffic.given
    return sum(read.values()), sum(weights.values()), written


def _hwc(graph: Graph, tensor: int, region: Region) -> tuple[int, int, int]:
    axes, shape = graph.tensors[tensor].axes, region.shape
    rows = shape[axes.h] if axes.h is not None else 1
    cols = shape[axes.w] if axes.w is not None else 1
    return rows, cols, prod(shape) // max(1, rows * cols)


def _window(graph: Graph, op: Op, memo: Facts) -> Window:
    """Kernel, strides, dilation, family, channel blocks and variant of an anchor."""
    if op.id not in memo.windows:
        kernel = _ints(op.attrs.get("kernel_size") or op.attrs.get("pool_size") or ())
        memo.windows[op.id] = {
            "conv_type": conv_type(op, kernel),
            "kernel": kernel,
            "strides": _ints(op.attrs.get("strides", ())),
            "dilation": _ints(op.attrs.get("dilation", ())),
            "blocks": (_block(graph, op.inputs[:1]), _block(graph, op.outputs[:1])),
            "variant": " ".join(
                f"{name}={op.attrs[name]}" for name in DECISIVE if name in op.attrs
            ),
        }
    return memo.windows[op.id]


def _block(graph: Graph, tensors: tuple[int, ...]) -> int:
    """Channels side by side in the layout of the first of some tensors."""
    if not tensors:
        return 1
    axes, shape = graph.tensors[tensors[0]].axes, graph.tensors[tensors[0]].shape
    inner = len(shape) - 1
    return 1 if axes.c is None or inner in (axes.h, axes.w, axes.c) else shape[inner]


def _ints(value: int | Sequence[int] | None) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    return tuple(int(v) for v in value or ())


def conv_type(op: Op, kernel: Sequence[int]) -> str:
    """The family of an operator, as `TileWork` names it."""
    if "conv" in op.kind and "transpose" in op.kind:
        return "transposed"
    if "conv" in op.kind:
        groups = op.attrs.get("groups", 1)
        if groups > 1:
            return "depthwise" if prod(op.in_shapes[1]) == prod(kernel) * groups else "grouped"
        return "pointwise" if prod(kernel) == 1 else "conv"
    if op.kind in ("nn.dense", "nn.matmul", "nn.batch_matmul"):
        return "matmul"
    if "pool" in op.kind:
        return "pool"
    return "elementwise" if rule_for(op).pointwise else "other"


def board_figures(cluster: ClusterSpec, rank: int) -> BoardFigures:
    """A board of a cluster, for `tile_work`."""
    speed = cluster.speeds[rank] if cluster.speeds else 1.0
    return BoardFigures(cluster.boards, speed, cluster.kinds[rank] if cluster.kinds else "")


def region_bounds(regions: Sequence[Region], rank: int) -> np.ndarray:
    """Regions as an array of boards x axes x (start, stop)."""
    return np.array([r.bounds for r in regions], dtype=np.int64).reshape(len(regions), rank, 2)


def meeting(owned: np.ndarray, need: np.ndarray, shape: Sequence[int]) -> tuple[Ints, Ints]:
    """Elements and contiguous runs that go from each owner to each needer.

    Parameters
    ----------
    owned, need : numpy.ndarray
        ``... x boards x axes x 2``; leading axes broadcast.
    shape : sequence of int
        Shape of the whole tensor, which tells where runs join.

    Returns
    -------
    volume, runs : numpy.ndarray
        ``... x sources x targets``; nothing goes from a board to itself.
    """
    boards: int = owned.shape[-3]
    has = np.asarray((owned[..., 0] < owned[..., 1]).all(-1))
    wants = np.asarray((need[..., 0] < need[..., 1]).all(-1))
    some = has[..., :, None] & wants[..., None, :]
    some = some & ~np.eye(boards, dtype=bool)
    volume, run = some.astype(np.int64), np.ones(some.shape, dtype=np.int64)
    joined: np.ndarray | bool = True
    for axis in reversed(range(len(shape))):
        extent = _overlap(owned[..., axis, :], need[..., axis, :], shape[axis])
        volume *= extent
        run = np.where(joined, run * extent, run)
        joined = joined & np.equal(extent, shape[axis])
    return volume, volume // np.maximum(run, 1)


def _overlap(owned: np.ndarray, need: np.ndarray, size: int) -> np.ndarray | int:
    """Common elements of every owner and needer along one axis; one number if always all."""
    if _always_whole(owned, size) and _always_whole(need, size):
        return size
    low = np.maximum(owned[..., :, None, 0], need[..., None, :, 0])
    high = np.minimum(owned[..., :, None, 1], need[..., None, :, 1])
    return np.maximum(high - low, 0)


def _always_whole(bounds: np.ndarray, size: int) -> bool:
    nothing = bounds[..., 0] >= bounds[..., 1]
    return bool(np.all(nothing | ((bounds[..., 0] == 0) & (bounds[..., 1] == size))))


def run_counts(extent: np.ndarray, volume: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Contiguous runs of boxes (``... x axes`` extents) in a tensor of a shape."""
    run = np.ones_like(volume)
    joined = np.ones(volume.shape, dtype=bool)
    for axis in reversed(range(len(shape))):
        run = np.where(joined, run * extent[..., axis], run)
        joined &= extent[..., axis] == shape[axis]
    return volume // np.maximum(run, 1)


def exchange_transfer(
    owned: Sequence[Region],
    need: Sequence[Region],
    tensor: Tensor,
    links: Links,
    named: bool = False,
) -> Transfer:
    """The record of one exchange of a tensor."""
    rank = len(tensor.shape)
    volume, runs = meeting(region_bounds(owned, rank), region_bounds(need, rank), tensor.shape)
    return Transfer(
        "exchange", volume * tensor.itemsize, runs, links, tensor.name if named else ""
    )


def host_transfer(
    kind: str, regions: Sequence[Region], tensor: Tensor, links: Links, named: bool = False
) -> Transfer:
    """The record of scattering an input to, or gathering an output from, all boards."""
    bounds = region_bounds(regions, len(tensor.shape))
    extent = bounds[..., 1] - bounds[..., 0]
    volume = extent.prod(axis=-1)
    runs = run_counts(extent, volume, tensor.shape)
    shape = (1, -1) if kind == "scatter" else (-1, 1)
    return Transfer(
        kind,
        (volume * tensor.itemsize).reshape(shape),
        runs.reshape(shape),
        links,
        tensor.name if named else "",
    )
