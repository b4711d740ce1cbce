# SPDX-License-Identifier: Apache-2.0
"""Annotated IRModule -> one Relay module per board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relay

from ..graph import Op, Region, empty, whole
from ..plan import Geometry, Plan, Routes, routes_of
from ..rules import Tile
from .attrs import with_attrs
from .exchange_op import exchange, token_var
from .importer import Imported
from .layout import with_layout
from .partitioned import Partitioned, read_plan
from .recurrent_op import inlined, is_recurrent
from .stages import seen


@dataclass(frozen=True)
class Lowered:
    """The cut model.

    Parameters
    ----------
    imported : Imported
        The whole model's layer graph.
    geometry : Geometry
        All regions and exchanges.
    boards : tuple of tvm.IRModule
        One module per board. Its inputs are the regions of the model's inputs that the board
        needs (in the model's order, without those it does not need) and the first token; its
        results are the regions of the model's outputs that it owns, and the last token. Its
        layout is the model's.
    plan : Plan
        The plan that the annotations carry.
    """

    imported: Imported
    geometry: Geometry
    boards: tuple[tvm.IRModule, ...]
    plan: Plan


def lower(cut: tvm.IRModule | Partitioned) -> Lowered:
    """Cut a module into one module per board.

    Parameters
    ----------
    cut : tvm.IRModule or Partitioned
        An annotated module, or what `partition` gives. Boards get what its main function
        computes.

    Returns
    -------
    lowered : Lowered
        The boards' modules with all regions and exchanges.

    Raises
    ------
    PlanError
        If the module was not annotated by ``FlexPiePartition``.
    """
    partitioned = cut if isinstance(cut, Partitioned) else read_plan(cut)
    imported, plan = partitioned.imported, partitioned.plan
    geometry = plan.geometry(imported.graph)
    routes, slices = routes_of(plan.cluster), _ConstantSlices(imported)
    modules = tuple(
        seen(_BoardLowering(imported, geometry, routes, board, slices).run(), f"board{board}")
        for board in range(plan.boards)
    )
    return Lowered(imported, geometry, modules, plan)


class _ConstantSlices:
    """Parts of constants, shared between boards that hold the same part."""

    def __init__(self, imported: Imported):
        self._imported = imported
        self._made: dict[tuple[int, Region], relay.Constant] = {}

    def get(self, tensor: int, region: Region) -> relay.Constant:
        constant = self._imported.constants[tensor]
        if region == whole(self._imported.graph.tensors[tensor].shape):
            return constant
        key = (tensor, region)
        if key not in self._made:
            part = constant.data.numpy()[region.slices()]
            self._made[key] = relay.const(np.ascontiguousarray(part), str(constant.data.dtype))
        return self._made[key]


class _BoardLowering:
    """Builds the function of one board, operator by operator."""

    def __init__(
        self,
        imported: Imported,
        geometry: Geometry,
        routes: Routes,
        board: int,
        slices: _ConstantSlices,
    ):
        self._imported, self._geometry, self._board = imported, geometry, board
        self._graph, self._slices, self._routes = imported.graph, slices, routes
        self._exchanges = {e.tensor: e for e in geometry.exchanges}
        # what the board holds: tensor -> expression and the region it covers
        self._held: dict[int, tuple[relay.Expr, Region]] = {}
        self._owned: dict[int, relay.Expr] = {}
        self._token: relay.Expr = token_var()

    def run(self) -> tvm.IRModule:
        params = [*self._inputs(), self._token]
        for op in self._graph.ops:
            tile = self._geometry.tiles[op.id][self._board]
            made = [None] * len(op.outputs) if tile is None else self._compute(op, tile)
            for tensor, value in zip(op.outputs, made, strict=True):
                self._keep(tensor, value)
        results = [self._owned[t] for t in self._graph.outputs if t in self._owned]
        body = relay.Tuple([*results, self._token])
        mod = tvm.IRModule.from_expr(relay.Function(params, body))
        mod = with_layout(mod, self._imported.layout)
        return relay.transform.InferType()(mod)

    def _inputs(self) -> list[relay.Var]:
        params = []
        for tensor in self._graph.inputs:
            region = self._geometry.need[tensor][self._board]
            if not region.is_empty:
                info = self._graph.tensors[tensor]
                var = relay.var(info.name, shape=region.shape, dtype=info.dtype)
                self._held[tensor] = (var, region)
                params.append(var)
        return params

    def _compute(self, op: Op, tile: Tile) -> list[tuple[relay.Expr, Region]]:
        args = [
            None if region.is_empty else self._read(tensor, region)
            for tensor, region in zip(op.inputs, tile.inputs, strict=True)
        ]
        return computed(self._imported, op, tile, args)

    def _read(self, tensor: int, region: Region) -> relay.Expr:
        if tensor in self._imported.constants:
            return self._slices.get(tensor, region)
        return crop(*self._held[tensor], region)

    def _keep(self, tensor: int, value: tuple[relay.Expr, Region] | None) -> None:
        """Own, exchange and hold a tensor that has just been computed (or not)."""
        need = self._geometry.need[tensor][self._board]
        owned = self._geometry.owned.get(tensor)
        if owned is None:
            if value is not None and not need.is_empty:
                self._held[tensor] = value
            return
        mine = owned[self._board]
        part = None if mine.is_empty else crop(*value, mine)
        if part is not None and tensor in self._graph.outputs:
            self._owned[tensor] = part
        found, dtype = self._exchanges.get(tensor), self._graph.tensors[tensor].dtype
        if found is not None and (found.sends(self._board) or found.receives(self._board)):
            held, self._token = exchange(self._token, part, need, dtype, self._board, found.id)
            if held is not None:
                self._held[tensor] = (held, need)
            return
        if found is not None and self._routes.meets(found, self._board):
            # Others' messages pass through; nothing of this board's goes in or comes out.
            nothing = empty(need.rank)
            _, self._token = exchange(self._token, None, nothing, dtype, self._board, found.id)
        if not need.is_empty:
            self._held[tensor] = (part, mine)


def computed(
    imported: Imported, op: Op, tile: Tile, args: Sequence[relay.Expr | None]
) -> list[tuple[relay.Expr, Region]]:
    """The outputs of an operator's tile, each with the region that it covers."""
    call = imported.calls[op.id]
    new = tile_call(call, op, tile, args)
    if tile.scale != 1.0:
        new = relay.multiply(new, relay.const(tile.scale, op.dtype))
    if isinstance(call.checked_type, tvm.ir.TensorType):
        return [(new, tile.region)]
    if isinstance(new, relay.Tuple):
        return [(x, whole(shape)) for x, shape in zip(new.fields, op.out_shapes, strict=True)]
    items = enumerate(op.out_shapes)
    return [(relay.TupleGetItem(new, k), whole(shape)) for k, shape in items]


def crop(value: relay.Expr, have: Region, want: Region) -> relay.Expr:
    """The part ``want`` of an expression that covers ``have``."""
    if have == want:
        return value
    box = want.relative_to(have)
    return relay.strided_slice(value, box.starts, box.stops, slice_mode="end")


def tile_call(
    call: relay.Call, op: Op, tile: Tile, args: Sequence[relay.Expr | None]
) -> relay.Expr:
    """The call that computes a tile, over the parts of its inputs (None: not read)."""
    if op.kind == "concatenate" and sum(a is not None for a in args) == 1:
        return next(a for a in args if a is not None)
    if is_recurrent(call):
        return inlined(call.attrs, args)
    if "taps" in tile.attrs:
        return resized(args[0], tile.region.rank, tile.attrs["taps"])
    rest = iter(args)
    new_args: list[relay.Expr] = []
    read: list[bool] = []
    for arg in call.args:
        if not isinstance(arg.checked_type, tvm.ir.TupleType):
            new_args.append(next(rest))
            continue
        fields = [next(rest) for _ in arg.checked_type.fields]
        # Fields of the first tuple that are not read are dropped, with their scales and such.
        read = read or [field is not None for field in fields]
        new_args.append(relay.Tuple([f for f, keep in zip(fields, read, strict=True) if keep]))
    return relay.Call(call.op, new_args, with_attrs(call, tile.attrs))


def resized(data: relay.Expr, rank: int, taps: Sequence[tuple]) -> relay.Expr:
    """Resize axis by axis: ``(1 - part) * data[low] + part * data[high]``."""
    for axis, low, high, part in taps:
        near = relay.take(data, relay.const(np.array(low, "int32")), axis, mode="clip")
        if not any(part):
            data = near
            continue
        far = relay.take(data, relay.const(np.array(high, "int32")), axis, mode="clip")
        share = relay.const(np.array(part, "float32").reshape(-1, *[1] * (rank - axis - 1)))
        data = relay.add(near, relay.multiply(relay.subtract(far, near), share))
    return data
