# SPDX-License-Identifier: Apache-2.0
"""One Relay module per board -> one shared library per board."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import tvm
from tvm import relay
from tvm.contrib.cc import cross_compiler, get_target_by_dump_machine
from tvm.relay.backend.graph_executor_codegen import GraphExecutorCodegen

from ..kernels.configs import Measured
from ..kernels.context import LOWERED_CONFIG, build_context, context_over
from ..kernels.target import keyed
from ..passes.integer_kernels import integer_kernels
from ..passes.pack_dense import pack_dense
from ..passes.winograd_weights import winograd_weights
from ..relay.layout import layout_of
from ..relay.stages import seen
from .build_cache import BuildCache
from .build_key import settings
from .kernel_calls import outline_kernels
from .kernel_objects import join_objects, kernel_objects
from .merge import BoardGraph, cut_graph, merge, merged_name


def build_boards(
    boards: Sequence[tvm.IRModule],
    targets: Sequence[tvm.target.Target],
    folder: Path,
    linkers: Sequence[str | None],
    measured: Measured | None = None,
    cache: BuildCache | None = None,
) -> list[Path]:
    """Compile all boards' modules, those of one target together, and write one library for each.

    Parameters
    ----------
    boards : sequence of tvm.IRModule
        What ``lower`` returned, with the model's layout.
    targets : sequence of tvm.target.Target
        Target of each board.
    folder : Path
        Where ``board<rank>.so`` is written.
    linkers : sequence of str or None
        Compiler that links for each board; None for the host's.
    measured : mapping, optional
        Configurations of kernels that `flexpie_tvm.lab.tuning` found.
    cache : BuildCache, optional
        Where kernels are looked for and kept, if the modules' layouts are chosen; by default all
        are compiled.

    Returns
    -------
    paths : list of Path
        A graph executor factory per board, weights included.
    """
    paths = [folder / f"board{rank}.so" for rank in range(len(boards))]
    for ranks in ranks_by_target(targets).values():
        mods, target = [boards[rank] for rank in ranks], targets[ranks[0]]
        results = [len(mod["main"].body.fields) for mod in mods]
        merged = merge(mods)
        with tempfile.TemporaryDirectory() as scratch:
            code = _code(merged, target, Path(scratch), measured, cache)
            for rank, graph in zip(ranks, cut_graph(code.graph_json, results), strict=True):
                _link(graph, code, paths[rank], linkers[rank])
    return paths


def ranks_by_target(targets: Sequence[tvm.target.Target]) -> dict[str, list[int]]:
    """Which boards are compiled together: target as text -> ranks."""
    ranks: dict[str, list[int]] = {}
    for rank, target in enumerate(targets):
        ranks.setdefault(str(target), []).append(rank)
    return ranks


def build_kernels(
    tiles: Sequence[tvm.IRModule],
    target: tvm.target.Target,
    path: Path,
    cc: str | None = None,
    weights: Sequence[Collection[int]] = (),
) -> list[BoardGraph]:
    """Compile functions together into one library of kernels, without weights.

    Parameters
    ----------
    tiles : sequence of tvm.IRModule
        Functions that return a tuple, as boards' modules do, all of one layout.
    target : tvm.target.Target
        Target of all.
    path : Path
        The library to write.
    cc : str, optional
        Compiler that links for the target; the host's by default.
    weights : sequence of collections of int
        Of each function, which parameters stand for constants; none by default. Boards' kernels
        take constants packed, so these take them packed too.

    Returns
    -------
    graphs : list of BoardGraph
        Which kernels each function calls, with which tensors.
    """
    results = [len(mod["main"].body.fields) for mod in tiles]
    constants = {merged_name(rank, k) for rank, own in enumerate(weights) for k in own}
    graph_json, kernels, _ = _compile(merge(tiles), target, constants)
    _machine_code(kernels, target).export_library(str(path), **link_options(cc))
    return cut_graph(graph_json, results)


def schedule_boards(boards: Sequence[tvm.IRModule], target: tvm.target.Target) -> None:
    """Choose and schedule boards' kernels as `build_boards` does, and leave it at that.

    Parameters
    ----------
    boards : sequence of tvm.IRModule
        What ``lower`` returned, all for one target.
    target : tvm.target.Target
        Their target.
    """
    _compile(merge(boards), target)


@dataclass(frozen=True)
class _Code:
    """Merged boards, compiled: their graph, weights, and in which file each kernel is."""

    graph_json: str
    params: dict
    objects: dict[str, Path]


def _code(
    merged: tvm.IRModule,
    target: tvm.target.Target,
    folder: Path,
    measured: Measured | None,
    cache: BuildCache | None,
) -> _Code:
    if cache is not None and layout_of(merged) is not None:
        return _reused_code(merged, target, folder, measured, cache)
    graph_json, lowered, params = _compile(merged, target, measured=measured)
    path = folder / "kernels.o"
    _machine_code(lowered, target).save(str(path))
    names = [str(v.name_hint) for mod in lowered.values() for v in mod.get_global_vars()]
    return _Code(graph_json, params, dict.fromkeys(names, path))


def _reused_code(
    merged: tvm.IRModule,
    target: tvm.target.Target,
    folder: Path,
    measured: Measured | None,
    cache: BuildCache,
) -> _Code:
    """The same with a file for each kernel.

    Layouts must be chosen: those that TVM chooses here decide code too, and no function tells them.
    """
    own, deciding = keyed(target), repr((str(target), settings(measured)))
    packed = _packed(merged, target)
    with build_context(laid_out=True, measured=measured):
        optimized = seen(relay.optimize(packed, target=own)[0], "kernels")
        outlined = outline_kernels(optimized, deciding)
        codegen = GraphExecutorCodegen(None, own)
        graph_json, _, params = codegen.codegen(outlined.mod, outlined.mod["main"])
    objects = kernel_objects(outlined, own, folder, cache, measured)
    return _Code(graph_json, params, objects)


def _compile(
    merged: tvm.IRModule,
    target: tvm.target.Target,
    constants: Collection[str] = (),
    measured: Measured | None = None,
):
    laid_out, own = layout_of(merged) is not None, keyed(target)
    if laid_out:  # otherwise TVM packs weights as it lays out
        merged = _packed(merged, target, constants)
    with build_context(laid_out, measured=measured):
        optimized = seen(relay.optimize(merged, target=own)[0], "kernels")
        codegen = GraphExecutorCodegen(None, own)
        graph_json, lowered, params = codegen.codegen(optimized, optimized["main"])
    return graph_json, lowered, params


def _packed(
    merged: tvm.IRModule, target: tvm.target.Target, constants: Collection[str] = ()
) -> tvm.IRModule:
    """With weights as our kernels read them."""
    merged = winograd_weights(merged, target, constants)
    merged = pack_dense(merged, target, constants)
    return integer_kernels(merged, target, constants)


def _machine_code(lowered, target: tvm.target.Target) -> tvm.runtime.Module:
    # our passes over kernels have run as Relay lowered them
    with context_over(LOWERED_CONFIG):
        return tvm.build(next(iter(lowered.values())), target=keyed(target))


def _link(graph: BoardGraph, code: _Code, path: Path, cc: str | None) -> None:
    names = sorted(graph.kernels & code.objects.keys())
    files = sorted({code.objects[name] for name in names}) or list(code.objects.values())[:1]
    with tempfile.TemporaryDirectory() as scratch:
        file = join_objects(files, Path(scratch) / "board.o", cc)
        library = tvm.runtime.load_static_library(str(file), names)
    create = tvm.get_global_func("tvm.graph_executor_factory.create")
    weights = code.params.items()
    own = [x for name, value in weights if name in graph.params for x in (name, value)]
    factory = create(graph.graph_json, library, "default", *own)
    factory.export_library(str(path), **link_options(cc))


def link_options(cc: str | None) -> dict:
    """What ``export_library`` is told about a linker; the host's if there is none."""
    if cc is None:
        return {}
    # TVM packs weights into an object of the host's architecture unless it is told the triple.
    triple = get_target_by_dump_machine(cc)
    return {"fcompile": cross_compiler(cc, get_target_triple=triple)}
