# SPDX-License-Identifier: Apache-2.0
"""What the estimators see of tiles and transfers: one function each, for training and asking.

FlexPie's features (section 4: rows, columns and channels in and out, kernel, stride, padding,
type of convolution, boards, bandwidth, topology) and what they lack. A column *grows* if it
never falls when a tile's region, or a transfer, is contained in a larger one; predictions are
constrained to rise with it. Every other column is a constant of the layer or of the network (as
the length of its sums is, but for partial results), or says how a tile fits the steps of its
kernel (`step_features`): more work in equal steps never costs less. Arithmetic intensity itself
falls when a tile reads more; it is given as its parts.

*Terms* are quantities that time is roughly a sum of. Products of any extents of a region are
among them: boards that together cover a region have no less of any of them than one alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np

from ..graph.arithmetic import largest_divisor
from ..machine import VectorUnit
from .network import wire_seconds
from .records import Links, Transfer
from .rows import RowLayout, Rows
from .step_features import STEP_COLUMNS, step_values
from .windows import WINDOW_FACTS, Windows, window_facts, windows_of

TileKey = tuple[Any, ...]  # what `tile_key` gives
#: The fields of `TileWork` that matter; also what makes two tiles the same to an estimator.
tile_key = attrgetter(
    "kind", "conv_type", "in_hwc", "out_hwc", "kernel", "strides", "padding", "dilation",
    "dtype", "blocks", "groups", "flops", "bytes_read", "bytes_weights", "bytes_written", "ops",
    "special", "variant",
)  # fmt: skip

_TILE_GROWING = (
    "in_h", "in_w", "out_h", "out_w", "out_c", "groups", "flops", "bytes_read",
    "bytes_weights", "bytes_written", "ops", "padding", "in_elements", "out_elements",
    "out_pixels", "channel_pairs", "bytes_moved", "weights", "vector_steps",
    "padded_elements", "special",
)  # fmt: skip
_TILE_FIXED = (
    "in_c", "sum_length", "flops_each", "kernel_h", "kernel_w", "stride_h", "stride_w",
    "dilation", "itemsize", "integer", "block_in", "block_out", "group_in", "group_out",
    *STEP_COLUMNS,
)  # fmt: skip
_TILE_TERMS = (
    "flops", "vector_steps", "out_elements", "bytes_weights", "bytes_written",
    "out_h * out_c", "out_w * out_c", "out_h * weights", "out_w * weights", "weights",
    "out_pixels", "out_h", "out_w", "out_c", "one", "fused * flops", "fused * out_elements",
    "bytes_read", "in_elements",
    "padded_elements", "in_h * in_c", "in_c", "ops", "special", "flops / lanes",
    "padded * flops / lanes",
)  # fmt: skip
#: How many of the terms boards together never have less of than one board alone. What is
#: read does not belong to them: windows with gaps read less when they are cut.
_TILE_COVERED = 15  # without fusion, which may differ from board to board
#: Fused multiply-adds that a core has under way: fewer columns than this take as long.
UNDER_WAY = 8

TILE_LAYOUT = RowLayout(
    columns=_TILE_GROWING + _TILE_FIXED,
    growing=len(_TILE_GROWING),
    terms=_TILE_TERMS,
    covered=_TILE_COVERED,
    roof=("flops", "bytes_moved"),
)


def tile_rows(keys: Sequence[TileKey], unit: VectorUnit) -> Rows:
    """Features and terms of tiles.

    Parameters
    ----------
    keys : sequence of tuple
        From `tile_key`, of any families (``conv_type``).
    unit : VectorUnit
        Of the boards that compute them.

    Returns
    -------
    rows : Rows
        In `TILE_LAYOUT`. Tiles are of one sort if operator, stride and variant are the same.
    """
    return rows_and_windows(keys, unit)[0]


def rows_and_windows(keys: Sequence[TileKey], unit: VectorUnit) -> tuple[Rows, Windows]:
    """What `tile_rows` gives, and the tiles' windows."""
    fields, count = list(zip(*keys, strict=True)), len(keys)
    windows = windows_of([fields[place] for place in _WINDOW_PLACES])
    fixed = np.array([window_facts(window) for window in windows.different], dtype=float)
    extents = _numbers(chain(fields[2], fields[3])).reshape(2, count, 3).swapaxes(1, 2)
    names = [f"{end}_{axis}" for end in ("in", "out") for axis in "hwc"]
    value = dict(zip(names, extents.reshape(6, count), strict=True))
    value |= zip(_TILE_COUNTS, _numbers(fields[10:-1]).reshape(-1, count), strict=True)
    value |= zip(WINDOW_FACTS, fixed.T[:, windows.own], strict=True)
    value |= _groups(value, unit)
    value |= _derived(value)
    value |= step_values(value, unit)
    named = [window.sort for window in windows.different]
    sorts = {name: k for k, name in enumerate(dict.fromkeys(named))}
    of_tile = np.array([sorts[name] for name in named])[windows.own]
    return TILE_LAYOUT.rows(value, tuple(sorts), of_tile), windows


_WINDOW_PLACES = (0, 1, *range(4, 10), -1)  # of a window's fields in `tile_key`
_TILE_COUNTS = (
    "groups", "flops", "bytes_read", "bytes_weights", "bytes_written", "ops", "special",
)  # fmt: skip


def _numbers(parts: Iterable[Sequence[int]]) -> np.ndarray:
    """All integers of all parts, one after the other (read as such: twice as fast)."""
    return np.fromiter(chain.from_iterable(parts), int).astype(float)


def _groups(value: dict[str, np.ndarray], unit: VectorUnit) -> dict[str, np.ndarray]:
    """Channels of a group, and how many of them one vector holds.

    They belong to the layer: boards share its groups, and cut none.
    """
    grouped = value["groups"] > 1
    count = np.maximum(value["groups"], 1)
    sizes = {
        f"group_{end}": np.where(grouped, value[f"{end}_c"] // count, 0) for end in ("in", "out")
    }
    widths, own = np.unique(np.maximum(sizes["group_out"], 1), return_inverse=True)
    lanes = np.array([largest_divisor(int(n), unit.lanes) for n in widths])[own]
    return sizes | {"lanes": np.where(value["block_out"] > 1, value["block_out"], lanes)}


def _derived(value: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    groups = np.maximum(value["groups"], 1)
    pixels = value["out_h"] * value["out_w"]
    pairs = value["in_c"] * value["out_c"] / groups
    area = np.maximum(value["kernel_h"] * value["kernel_w"], 1)
    weights = pairs * area
    together = np.where(area > 1, value["out_h"], 1)  # 1x1 windows go over rows, too
    made = {
        "in_elements": value["in_h"] * value["in_w"] * value["in_c"],
        "out_elements": pixels * value["out_c"],
        "out_pixels": pixels,
        "channel_pairs": pairs,
        "sum_length": area * value["in_c"] / groups,
        "weights": weights,
        "vector_steps": np.maximum(pixels, together * UNDER_WAY) * weights / value["lanes"],
        "padded_elements": _padded(value),
        "flops_each": value["flops"] / np.maximum(pixels * value["out_c"], 1),
        "bytes_moved": value["bytes_read"] + value["bytes_weights"] + value["bytes_written"],
        "one": np.ones_like(pixels),
    }
    fused = value["ops"] > 1
    made["fused * flops"] = fused * value["flops"]
    made["fused * out_elements"] = fused * made["out_elements"]
    made["flops / lanes"] = value["flops"] / value["lanes"]
    made["padded * flops / lanes"] = (value["padding"] > 0) * made["flops / lanes"]
    for a, b in (("out_h", "out_c"), ("out_w", "out_c"), ("in_h", "in_c")):
        made[f"{a} * {b}"] = value[a] * value[b]
    for a in ("out_h", "out_w"):
        made[f"{a} * weights"] = value[a] * weights
    return made


def _padded(value: dict[str, np.ndarray]) -> np.ndarray:
    """Elements of the copy with a border that a padded window is computed from."""
    around = value["padding"] / 4 + 1
    elements = value["in_h"] * value["in_w"] * value["in_c"]
    return np.where(value["padding"] > 0, elements * around, 0.0)


#: Bytes at which a byte more may cost less than one before: packets and buffers fill.
KNEES = (1 << 12, 1 << 16, 1 << 20)
TOPOLOGIES = ("mesh", "ring", "ps", "shared")

_TRANSFER_GROWING = (
    "bytes", "bytes_out", "bytes_in", "bytes_board", "bytes_message", "messages",
    "messages_out", "messages_in", "boards_busy", "wire",
)  # fmt: skip
_TRANSFER_FIXED = ("nodes", "topology", "bandwidth", "latency", "host_bandwidth")
_TRANSFER_TERMS = (
    "wire", "bytes", "bytes_out", "bytes_in", "bytes_board", "messages", "messages_out",
    "messages_in", "boards_busy", "one", *(f"bytes_board to {knee}" for knee in KNEES),
)  # fmt: skip

TRANSFER_LAYOUT = RowLayout(
    columns=_TRANSFER_GROWING + _TRANSFER_FIXED,
    growing=len(_TRANSFER_GROWING),
    terms=_TRANSFER_TERMS,
    covered=len(_TRANSFER_TERMS),
    roof=("bytes_board", "wire"),
)


def transfer_rows(transfers: Sequence[Transfer]) -> Rows:
    """Features and terms of transfers of one kind.

    Run lengths are not among them. A transfer that contains another may have fewer runs (whole
    rows join), so a prediction that rose with runs could not be one to prune with.

    Returns
    -------
    rows : Rows
        In `TRANSFER_LAYOUT`; transfers are of one sort if their topology is the same.
    """
    groups: dict[int, list[int]] = {}
    for index, item in enumerate(transfers):
        groups.setdefault(id(item.links), []).append(index)
    value = {name: np.zeros(len(transfers)) for name in (*TRANSFER_LAYOUT.columns, "one")}
    for indices in groups.values():
        first = transfers[indices[0]]
        nbytes = np.stack([transfers[i].nbytes for i in indices]).astype(float)
        for name, column in _transfer_values(first, nbytes).items():
            value[name][indices] = column
    return _transfer_rows(value)


def host_rows(kind: str, nbytes: float, links: Links) -> Rows:
    """The least that any scattering or gathering of so many bytes is made of, as one row.

    The host handles all bytes, and some board at least its share of them.
    """
    boards = len(links.bandwidth)
    value = dict.fromkeys(TRANSFER_LAYOUT.columns, 1.0) | {"one": 1.0} | _network(links, boards)
    value["bytes"] = value["bytes_board"] = nbytes
    value["bytes_message"] = nbytes / boards
    value["bytes_out"], value["bytes_in"] = (
        (nbytes, nbytes / boards) if kind == "scatter" else (nbytes / boards, nbytes)
    )
    value["wire"] = nbytes * 8e3 / links.host_bandwidth
    return _transfer_rows({k: np.array([v], dtype=float) for k, v in value.items()})


def _transfer_rows(value: dict[str, np.ndarray]) -> Rows:
    for knee in KNEES:
        value[f"bytes_board to {knee}"] = np.minimum(value["bytes_board"], knee)
    return TRANSFER_LAYOUT.rows(value, TOPOLOGIES, value["topology"].astype(int))


def _network(links: Links, boards: int) -> dict[str, float]:
    return {
        "nodes": boards,
        "topology": TOPOLOGIES.index(links.topology),
        "bandwidth": min(links.bandwidth),
        "latency": max(links.latency),
        "host_bandwidth": links.host_bandwidth,
    }


def _transfer_values(first: Transfer, nbytes: np.ndarray) -> dict[str, np.ndarray | float]:
    """Columns of stacked transfers of one kind over one network."""
    links, sent = first.links, nbytes > 0
    out, into = nbytes.sum(axis=2), nbytes.sum(axis=1)
    far, near = sent.sum(axis=2), sent.sum(axis=1)
    exchanged = first.kind == "exchange"
    both = out + into if exchanged else np.maximum(out.max(axis=1), into.max(axis=1))[:, None]
    busy = ((far + near) > 0).sum(axis=1) if exchanged else sent.sum(axis=(1, 2))
    return {
        "bytes": nbytes.sum(axis=(1, 2)),
        "bytes_out": out.max(axis=1),
        "bytes_in": into.max(axis=1),
        "bytes_board": both.max(axis=1),
        "bytes_message": nbytes.max(axis=(1, 2)),
        "messages": sent.sum(axis=(1, 2)),
        "messages_out": far.max(axis=1),
        "messages_in": near.max(axis=1),
        "boards_busy": busy,
        "wire": wire_seconds(first.kind, nbytes, links) * 1e3,
        "one": 1.0,
    } | _network(links, max(nbytes.shape[1:]))
