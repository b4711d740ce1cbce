# SPDX-License-Identifier: Apache-2.0
"""Check an operator's rule: every tile must equal the slice of the whole result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tvm
from tvm import relay

from ..graph import Op, Region, whole
from ..plan import cut_points
from ..relay import Imported, import_module
from ..relay.lower import tile_call
from ..rules import Tile, rule_for
from .evaluate import compile_module


def random_regions(shape: Sequence[int], count: int, rng: np.random.Generator) -> list[Region]:
    """Regions worth trying: corners, single elements, boards' shares and random boxes."""
    full = whole(shape)
    found = [
        Region(tuple((0, 1) for _ in shape)),
        Region(tuple((n - 1, n) for n in shape)),
    ]
    for axis, size in enumerate(shape):
        points = cut_points(size, (1, 1, 1))
        start = points[int(rng.integers(3))] if size > 2 else size - 1
        found.append(full.replace(axis, min(start, size - 1), min(size, start + 1 + size // 3)))
    while len(found) < count:
        box = []
        for size in shape:
            a, b = sorted(int(x) for x in rng.integers(0, size + 1, 2))
            box.append((a, b) if a < b else (min(a, size - 1), min(a, size - 1) + 1))
        found.append(Region(tuple(box)))
    return list(dict.fromkeys(found))[:count]


def single_op(expr: relay.Expr) -> Op:
    """The operator that an expression over variables and constants applies last."""
    return import_module(tvm.IRModule.from_expr(expr)).graph.ops[-1]


def check_tiles(
    expr: relay.Call,
    feeds: dict[str, np.ndarray],
    regions: Sequence[Region],
    tolerance: float = 1e-5,
) -> float:
    """Compare tiles of one call with slices of its whole result.

    Parameters
    ----------
    expr : relay.Call
        One operator over variables and constants.
    feeds : dict
        Value of each variable.
    regions : sequence of Region
        Output regions to ask for.
    tolerance : float
        Largest difference allowed, relative to the largest magnitude of the whole result.

    Returns
    -------
    error : float
        The largest relative difference.

    Raises
    ------
    AssertionError
        If a tile does not cover what was asked for, reads outside of its inputs, or differs.
    """
    imported = import_module(tvm.IRModule.from_expr(expr))
    (op,) = imported.graph.ops
    call = imported.calls[op.id]
    tiles = [rule_for(op).tile(op, region) for region in regions]
    for region, tile in zip(regions, tiles, strict=True):
        _check_bounds(op, region, tile)
    parts = _Parts(imported, op, feeds)
    bodies = [tile_call(call, op, tile, parts.of(tile)) for tile in tiles]
    function = relay.Function([*imported.main.params, *parts.params], relay.Tuple([call, *bodies]))
    reference, *results = run_module(tvm.IRModule.from_expr(function), {**feeds, **parts.values})
    scale = max(1e-30, float(np.nanmax(np.abs(reference.astype("float64")))))
    worst = 0.0
    for region, tile, result in zip(regions, tiles, results, strict=True):
        expected = reference[region.slices()]
        where = f"{op.kind} {dict(op.attrs)} {op.in_shapes}: {region} as {tile}"
        assert result.shape == tile.region.shape, f"shape {result.shape} of {where}"
        result = result[region.relative_to(tile.region).slices()]
        assert result.dtype == expected.dtype, f"dtype {result.dtype} of {where}"
        assert np.array_equal(np.isnan(result), np.isnan(expected)), where
        difference = np.nan_to_num(np.abs(result.astype("float64") - expected)) / scale
        worst = max(worst, float(difference.max(initial=0)))
        assert worst <= tolerance, f"relative difference {worst:.3g} of {where}"
    return worst


def run_module(mod: tvm.IRModule, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Compile a module and run it once."""
    module = compile_module(mod)
    for name, value in feeds.items():
        module.set_input(name, value)
    module.run()
    return [module.get_output(k).numpy() for k in range(module.get_num_outputs())]


def check_call(
    expr: relay.Call,
    cuts: set[int] | None = None,
    feeds: dict[str, np.ndarray] | None = None,
    count: int = 6,
    tolerance: float = 1e-5,
) -> Op:
    """Check random tiles of one call, and along which axes it can be cut.

    Parameters
    ----------
    expr : relay.Call
        One operator over variables and constants.
    cuts : set of int, optional
        The cuttable axes; every axis with more than one element by default.
    feeds : dict, optional
        Values of variables; the others get random data.
    count : int
        Number of regions to try.
    tolerance : float
        As in `check_tiles`.

    Returns
    -------
    op : Op
        The operator that was checked.
    """
    rng = np.random.default_rng(7)
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(expr))
    values = random_feeds(mod["main"].params, rng)
    values.update(feeds or {})
    op = single_op(expr)
    check_tiles(expr, values, random_regions(op.out_shape, count, rng), tolerance)
    expected = {a for a, n in enumerate(op.out_shape) if n > 1} if cuts is None else cuts
    found = set(rule_for(op).cuttable(op))
    assert found == expected, f"{op.kind} {op.out_shape} is cuttable along {found}"
    return op


def random_feeds(params: Sequence[relay.Var], rng: np.random.Generator) -> dict:
    """Random values for variables: normal for floats, small integers, fair booleans."""
    feeds = {}
    for var in params:
        shape = tuple(int(n) for n in var.checked_type.shape)
        dtype = var.checked_type.dtype
        if dtype.startswith("float"):
            value = rng.standard_normal(shape)
        elif dtype == "bool":
            value = rng.integers(0, 2, shape)
        else:
            value = rng.integers(0 if dtype.startswith("u") else -9, 10, shape)
        feeds[var.name_hint] = value.astype(dtype)
    return feeds


def _check_bounds(op: Op, region: Region, tile: Tile) -> None:
    where = f"{op.kind} {dict(op.attrs)} {op.in_shapes}: {region} as {tile}"
    assert tile.region.contains(region), f"not covered: {where}"
    assert whole(op.out_shape).contains(tile.region), f"outside of the output: {where}"
    assert len(tile.inputs) == len(op.in_shapes), f"number of inputs: {where}"
    for shape, part in zip(op.in_shapes, tile.inputs, strict=True):
        assert part.rank == len(shape), f"rank of an input: {where}"
        assert whole(shape).contains(part), f"outside of an input: {where}"


class _Parts:
    """Parameters that stand for the parts of inputs that tiles read."""

    def __init__(self, imported: Imported, op: Op, feeds: dict[str, np.ndarray]):
        self.params: list[relay.Var] = []
        self.values: dict[str, np.ndarray] = {}
        self._made: dict[tuple[int, Region], relay.Expr] = {}
        self._imported, self._op, self._feeds = imported, op, feeds

    def of(self, tile: Tile) -> list[relay.Expr | None]:
        return [
            self._part(tensor, part)
            for tensor, part in zip(self._op.inputs, tile.inputs, strict=True)
        ]

    def _part(self, tensor: int, part: Region) -> relay.Expr | None:
        info = self._imported.graph.tensors[tensor]
        if part.is_empty and part != whole(info.shape):
            return None
        if tensor in self._imported.constants:
            value = self._imported.constants[tensor].data.numpy()[part.slices()]
            return relay.const(value, info.dtype)
        if (tensor, part) not in self._made:
            var = relay.var(f"part{len(self.params)}", shape=part.shape, dtype=info.dtype)
            self.params.append(var)
            self.values[var.name_hint] = self._feeds[info.name][part.slices()]
            self._made[tensor, part] = var
        return self._made[tensor, part]
