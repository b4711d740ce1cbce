# SPDX-License-Identifier: Apache-2.0
"""Annotated IRModule -> artifact."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import tvm

from ..plan import Geometry, plan_to_json
from ..relay import Lowered, build_boards, lower
from .artifact import Artifact, Port, check_free, save_artifact
from .native import linker_for


def build(
    mod: tvm.IRModule,
    target: tvm.target.Target | str,
    path: str | Path,
    output_names: Sequence[str] = (),
    model: str | Path | None = None,
    cc: str | None = None,
) -> Artifact:
    """Lower and compile an annotated module for its boards.

    Parameters
    ----------
    mod : tvm.IRModule
        What ``FlexPiePartition`` returned.
    target : tvm.target.Target or str
        Target of the boards.
    path : str or Path
        Folder of the artifact, usually ``<name>.flexpie``.
    output_names : sequence of str, optional
        Names for the outputs; those of the layer graph by default.
    model : str or Path, optional
        The ONNX file behind the module; the artifact then keeps it, to be verified against.
    cc : str, optional
        Linker for the target; by default the host's or the cross compiler of its architecture.

    Returns
    -------
    artifact : Artifact

    Raises
    ------
    PlanError
        If the module is not annotated.
    InputError
        If nothing links for the target.
    """
    target, path = tvm.target.Target(target), Path(path)
    check_free(path)
    cc = cc or linker_for(str(target))
    lowered = lower(mod)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".build.") as scratch:
        files = build_boards(lowered.boards, target, Path(scratch), cc)
        if model is not None:
            files.append(_copy_model(Path(model), Path(scratch) / "model.onnx"))
        return save_artifact(describe(lowered, target, path, output_names), files, path)


def _copy_model(model: Path, path: Path) -> Path:
    """One file, also of a model whose weights are in files beside it."""
    proto = onnx.load(model, load_external_data=False)
    if any(w.external_data for w in proto.graph.initializer):
        onnx.save(onnx.load(model), path)
        return path
    return Path(shutil.copyfile(model, path))


def describe(
    lowered: Lowered, target: tvm.target.Target, path: Path, output_names: Sequence[str] = ()
) -> Artifact:
    """Everything about an artifact but its files."""
    graph, geometry = lowered.imported.graph, lowered.geometry
    tensors = graph.tensors
    inputs = tuple(
        Port(tensors[t].name, tensors[t].shape, tensors[t].dtype, geometry.need[t])
        for t in graph.inputs
    )
    names = output_names or [tensors[t].name for t in graph.outputs]
    outputs = tuple(
        Port(name, tensors[t].shape, tensors[t].dtype, tuple(geometry.owned[t]))
        for name, t in zip(names, graph.outputs, strict=True)
    )
    tables = tuple(exchange_table(lowered, board) for board in range(geometry.boards))
    plan = plan_to_json(lowered.plan, graph)
    scheme = lowered.plan.scheme
    return Artifact(path, geometry.boards, scheme, str(target), inputs, outputs, tables, plan)


def exchange_table(lowered: Lowered, board: int) -> dict:
    """What the native runtime needs to know about a board's exchanges."""
    graph, geometry = lowered.imported.graph, lowered.geometry
    layer_of = {t: layer.name for layer in graph.layers for t in layer.outputs}
    entries, sent = [], 0
    for exchange in geometry.exchanges:
        sends, receives = exchange.sends(board), exchange.receives(board)
        if not sends and not receives:
            continue
        tensor = graph.tensors[exchange.tensor]
        sent += sum(m.region.volume for m in sends) * tensor.itemsize
        entries.append(
            {
                "id": exchange.id,
                "name": tensor.name,
                "layer": layer_of.get(tensor.id, tensor.name),
                "dtype": tensor.dtype,
                "combine": exchange.combine,
                **_boxes(geometry, tensor.id, board),
                "sends": [{"peer": m.target, "region": m.region.to_json()} for m in sends],
                "recvs": [{"peer": m.source, "region": m.region.to_json()} for m in receives],
            }
        )
    return {"rank": board, "boards": geometry.boards, "bytes_sent": sent, "exchanges": entries}


def _boxes(geometry: Geometry, tensor: int, board: int) -> dict:
    owned, held = geometry.owned[tensor][board], geometry.need[tensor][board]
    return {
        "in": None if owned.is_empty else owned.to_json(),
        "out": None if held.is_empty else held.to_json(),
    }
