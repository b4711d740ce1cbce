# SPDX-License-Identifier: Apache-2.0
"""An artifact that does nothing but exchange: what transfers are timed with.

Its boards run the exchanges of a plan one after the other, with the same operators, tables and
native runtime as any model, but nothing is computed in between.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import tvm
from tvm import relay

from ...codegen import build_boards
from ...graph import Graph, Region, empty
from ...plan import ClusterSpec, Exchange, Geometry, Plan, routes_of
from ...relay import Imported, Lowered
from ...relay.exchange_op import exchange, token_var
from ...relay.targets import targets_of
from ...runtime.artifact import Artifact, Port, save_artifact
from ...runtime.native import linker_for
from ...runtime.tables import exchange_table
from .transfers import DrawnTransfer


def build_exchanges(
    drawn: Sequence[DrawnTransfer], cluster: ClusterSpec, target: str, path: Path
) -> Artifact:
    """Compile exchanges, in this order, for all boards of a cluster.

    Parameters
    ----------
    drawn : sequence of DrawnTransfer
        The tensors' ids are 0, 1, 2, ...; each has a message at least.
    cluster : ClusterSpec
        The boards and their topology.
    target : str
        Target of all boards.
    path : Path
        Folder of the artifact.
    """
    lowered = _lowered(drawn, cluster)
    targets = targets_of(target, cluster.boards)
    with tempfile.TemporaryDirectory() as scratch:
        linkers = [linker_for(target)] * cluster.boards
        files = build_boards(lowered.boards, targets, Path(scratch), linkers)
        return save_artifact(_described(lowered, target, path), files, path)


def _lowered(drawn: Sequence[DrawnTransfer], cluster: ClusterSpec) -> Lowered:
    graph = Graph.make(tuple(d.tensor for d in drawn), (), (), ())
    geometry = Geometry(
        boards=cluster.boards,
        owned={d.tensor.id: d.owned for d in drawn},
        need={d.tensor.id: d.need for d in drawn},
        tiles={},
        exchanges=tuple(Exchange(k, d.tensor.id, d.messages) for k, d in enumerate(drawn)),
    )
    boards = tuple(_program(graph, geometry, cluster, board) for board in range(cluster.boards))
    return Lowered(Imported(graph, boards[0]), geometry, boards, Plan(cluster, {}, "exchanges"))


def _program(graph: Graph, geometry: Geometry, cluster: ClusterSpec, board: int) -> tvm.IRModule:
    """One board's function: tensors that it owns in, tensors that it needs out."""
    first = token = token_var()
    routes, params, results = routes_of(cluster), [], []
    for step in geometry.exchanges:
        if not routes.meets(step, board):
            continue
        owned, need = _boxes(graph, geometry, step, board)
        info, part = graph.tensors[step.tensor], None
        if not owned.is_empty:
            part = relay.var(info.name, shape=owned.shape, dtype=info.dtype)
            params.append(part)
        held, token = exchange(token, part, need, info.dtype, board, step.id)
        if held is not None:
            results.append(held)
    body = relay.Tuple([*results, token])
    module = tvm.IRModule.from_expr(relay.Function([*params, first], body))
    return relay.transform.InferType()(module)


def _boxes(graph: Graph, geometry: Geometry, step: Exchange, board: int) -> tuple[Region, Region]:
    """What goes in and comes out on a board: nothing if it has no message of its own."""
    if step.sends(board) or step.receives(board):
        return geometry.owned[step.tensor][board], geometry.need[step.tensor][board]
    nothing = empty(len(graph.tensors[step.tensor].shape))
    return nothing, nothing


def _described(lowered: Lowered, target: str, path: Path) -> Artifact:
    geometry, cluster = lowered.geometry, lowered.plan.cluster
    inputs, outputs = [], []
    for step in geometry.exchanges:
        info = lowered.imported.graph.tensors[step.tensor]
        boxes = [
            _boxes(lowered.imported.graph, geometry, step, board)
            for board in range(geometry.boards)
        ]
        for ports, regions in zip((inputs, outputs), zip(*boxes, strict=True), strict=True):
            ports.append(Port(info.name, info.shape, info.dtype, tuple(regions)))
    return Artifact(
        path,
        geometry.boards,
        lowered.plan.scheme,
        (target,) * geometry.boards,
        tuple(inputs),
        tuple(outputs),
        tuple(exchange_table(lowered, board) for board in range(geometry.boards)),
        {"cluster": cluster.to_json(), "notes": {}},
    )
