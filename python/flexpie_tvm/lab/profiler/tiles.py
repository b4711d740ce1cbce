# SPDX-License-Identifier: Apache-2.0
"""One tile of one layer as a function of its own, and the record that describes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import tvm
from tvm import relay

from ...cost.records import TileWork
from ...cost.traces import tile_configuration
from ...graph import Layer, Region, hull
from ...plan import Geometry
from ...plan.predict.facts import BoardFigures, Facts
from ...plan.predict.work import tile_work
from ...relay import Imported
from ...relay.layout import with_layout
from ...relay.lower import computed, crop
from ...rules import Tile

#: Constants up to this many elements stay constants: TVM puts scalars and such into the code.
SMALL = 64


@dataclass(frozen=True)
class TileProgram:
    """A tile that can be compiled and timed.

    Parameters
    ----------
    work : TileWork
        Its record, as the planner makes it.
    module : tvm.IRModule
        A function that returns a tuple.
    weights : frozenset of int
        Which of its parameters stand for constants. They are not shipped: what is timed does
        not depend on their values.
    origin : str
        Where the layer comes from.
    """

    work: TileWork
    module: tvm.IRModule
    weights: frozenset[int]
    origin: str


def layer_tiles(geometry: Geometry, layer: Layer, board: int) -> Mapping[int, Tile | None]:
    """A board's tiles of a layer's operators."""
    return {op: geometry.tiles[op][board] for op in layer.ops}


def tile_record(
    imported: Imported, layer: Layer, tiles: Mapping[int, Tile | None], memo: Facts
) -> TileWork | None:
    """The record of a tile, without who asks; None if there is nothing to compute."""
    work = tile_work(imported.graph, layer, tiles, BoardFigures(1), memo=memo)
    return None if work is None else tile_configuration(work)


def tile_program(
    imported: Imported,
    layer: Layer,
    tiles: Mapping[int, Tile | None],
    work: TileWork,
    origin: str,
) -> TileProgram:
    """The function that computes a tile, operator by operator as ``lower`` writes it.

    Parameters
    ----------
    imported : Imported
        The model, pre-optimized for the boards' target.
    layer : Layer
        One of its layers.
    tiles : mapping
        Operator id -> tile; None where nothing is computed.
    work : TileWork
        The tile's record.
    origin : str
        Name of the model.
    """
    busy = [(imported.graph.ops[op], tiles[op]) for op in layer.ops if tiles[op] is not None]
    parts = _Parts(imported, _needs(busy))
    for op, tile in busy:
        args = [
            None if region.is_empty else parts.read(tensor, region)
            for tensor, region in zip(op.inputs, tile.inputs, strict=True)
        ]
        values = computed(imported, op, tile, args)
        parts.held.update(zip(op.outputs, values, strict=True))
    results = [parts.held[t][0] for t in layer.outputs if t in parts.held]
    params = [*parts.activations, *parts.weights]
    function = relay.Function(params, relay.Tuple(results))
    module = with_layout(tvm.IRModule.from_expr(function), imported.layout)
    module = relay.transform.InferType()(module)
    weights = frozenset(range(len(parts.activations), len(params)))
    return TileProgram(work, module, weights, origin)


def _needs(busy: Iterable[tuple]) -> dict[int, Region]:
    """What the tile reads of every tensor."""
    read: dict[int, list[Region]] = {}
    for op, tile in busy:
        for tensor, region in zip(op.inputs, tile.inputs, strict=True):
            read.setdefault(tensor, []).append(region)
    return {tensor: hull(regions, regions[0].rank) for tensor, regions in read.items()}


class _Parts:
    """Expressions for what a tile reads: parameters, small constants, results before it."""

    def __init__(self, imported: Imported, needs: dict[int, Region]):
        self.activations: list[relay.Var] = []
        self.weights: list[relay.Var] = []
        self.held: dict[int, tuple[relay.Expr, Region]] = {}
        self._given: dict[int, tuple[relay.Expr, Region]] = {}
        self._imported, self._needs = imported, needs

    def read(self, tensor: int, region: Region) -> relay.Expr:
        if tensor in self._imported.constants:
            return self._constant(tensor, region)
        made = self.held.get(tensor)
        if made is None or not made[1].contains(region):
            # Comes from outside, or after an exchange that gave more than was made here.
            if tensor not in self._given:
                self._given[tensor] = self._param(tensor, self._needs[tensor], self.activations)
            made = self._given[tensor]
        return crop(*made, region)

    def _constant(self, tensor: int, region: Region) -> relay.Expr:
        dtype = self._imported.graph.tensors[tensor].dtype
        if prod(region.shape) > SMALL and dtype.startswith("float"):
            return self._param(tensor, region, self.weights)[0]
        value = self._imported.constants[tensor].data.numpy()[region.slices()]
        return relay.const(np.ascontiguousarray(value), dtype)

    def _param(
        self, tensor: int, region: Region, params: list[relay.Var]
    ) -> tuple[relay.Var, Region]:
        info = self._imported.graph.tensors[tensor]
        name = f"{'w' if params is self.weights else 'x'}{len(params)}"
        params.append(relay.var(name, shape=region.shape, dtype=info.dtype))
        return params[-1], region
