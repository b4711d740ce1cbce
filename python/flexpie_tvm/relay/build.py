# SPDX-License-Identifier: Apache-2.0
"""One Relay module per board -> one shared library per board."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import tvm
from tvm import relay
from tvm.contrib.cc import cross_compiler, get_target_by_dump_machine
from tvm.relay.backend import te_compiler
from tvm.relay.backend.graph_executor_codegen import GraphExecutorCodegen

from .blocking import vector_lanes
from .merge import BoardGraph, cut_graph, merge

# LLVM 22 rejects some vectorised let-bindings that this pass of TVM 0.19 makes.
CONFIG = {"tir.disable_cse_tir": True}
PREOPTIMIZED = ("AlterOpLayout", "FoldConstant", "FoldScaleAxis")
SIMPLIFIERS = ("SimplifyExpr", "SimplifyExprPostAlterOp")


def build_boards(
    boards: Sequence[tvm.IRModule], target: tvm.target.Target, folder: Path, cc: str | None = None
) -> list[Path]:
    """Compile all boards' modules together and write one library for each.

    Parameters
    ----------
    boards : sequence of tvm.IRModule
        What ``lower`` returned.
    target : tvm.target.Target
        Target of all boards.
    folder : Path
        Where ``board<rank>.so`` is written.
    cc : str, optional
        Compiler that links for the target; the host's by default.

    Returns
    -------
    paths : list of Path
        A graph executor factory per board, weights included.
    """
    results = [len(mod["main"].body.fields) for mod in boards]
    graph_json, kernels, params = _compile(merge(boards), target)
    with tempfile.TemporaryDirectory() as scratch:
        code = _object_file(kernels, target, Path(scratch))
        return [
            _link(graph, code, params, folder / f"board{rank}.so", cc)
            for rank, graph in enumerate(cut_graph(graph_json, results))
        ]


@contextmanager
def build_context(laid_out: bool, opt_level: int = 3):
    """Pass context of every build, without the network look-up of schedules.

    ``laid_out`` says that the module comes from FlexPiePreOptimize for a target with blocked
    layouts.
    """
    before = os.environ.get("TOPHUB_LOCATION")
    os.environ["TOPHUB_LOCATION"] = "NONE"
    # The whole model is simplified, folded and laid out already; again per tile costs minutes.
    disabled = [*PREOPTIMIZED, *SIMPLIFIERS] if laid_out else []
    context = tvm.transform.PassContext(opt_level, config=CONFIG, disabled_pass=disabled)
    # TVM lists all its build flags anew for every kernel, a fifth of the time.
    flags = patch.object(te_compiler, "libinfo", cache(te_compiler.libinfo))
    try:
        with context, flags:
            yield
    finally:
        if before is None:
            del os.environ["TOPHUB_LOCATION"]
        else:
            os.environ["TOPHUB_LOCATION"] = before


def _compile(merged: tvm.IRModule, target: tvm.target.Target):
    with build_context(laid_out=vector_lanes(target) is not None):
        optimized, _ = relay.optimize(merged, target=target)
        codegen = GraphExecutorCodegen(None, target)
        graph_json, lowered, params = codegen.codegen(optimized, optimized["main"])
    return graph_json, lowered, params


def _object_file(lowered, target: tvm.target.Target, scratch: Path) -> tuple[Path, list[str]]:
    names = [str(v.name_hint) for mod in lowered.values() for v in mod.get_global_vars()]
    with tvm.transform.PassContext(opt_level=3, config=CONFIG):
        library = tvm.build(next(iter(lowered.values())), target=target)
    path = scratch / "kernels.o"
    library.save(str(path))
    return path, names


def _link(
    graph: BoardGraph, code: tuple[Path, list[str]], params: dict, path: Path, cc: str | None
) -> Path:
    library = tvm.runtime.load_static_library(str(code[0]), code[1])
    create = tvm.get_global_func("tvm.graph_executor_factory.create")
    own = [x for name, value in params.items() if name in graph.params for x in (name, value)]
    factory = create(graph.graph_json, library, "default", *own)
    factory.export_library(str(path), **link_options(cc))
    return path


def link_options(cc: str | None) -> dict:
    """What ``export_library`` is told about a linker; the host's if there is none."""
    if cc is None:
        return {}
    # TVM packs weights into an object of the host's architecture unless it is told the triple.
    triple = get_target_by_dump_machine(cc)
    return {"fcompile": cross_compiler(cc, get_target_triple=triple)}
