# SPDX-License-Identifier: Apache-2.0
"""Many tiles compiled in one build, and the kernels that each of them calls.

Building is most of what profiling costs. A batch is scheduled, compiled, linked, uploaded and
loaded once, and a kernel that several tiles share is compiled once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tvm

from ...codegen.build import build_kernels
from ...codegen.merge import INPUT, input_name
from .tiles import TileProgram

NOTHING = "__nop"  # how TVM calls a reshape that moves no data


@dataclass(frozen=True)
class KernelCall:
    """One call of a compiled function.

    Parameters
    ----------
    name : str
        The function.
    tensors : tuple
        Shape and dtype of its tensors in order, results last.
    roles : str
        A letter per tensor: ``w`` for weights, ``r`` for what else is read, ``-`` for results.
    """

    name: str
    tensors: tuple[tuple[tuple[int, ...], str], ...]
    roles: str


@dataclass(frozen=True)
class CompiledTile:
    """A tile and the kernels that compute it."""

    program: TileProgram
    calls: tuple[KernelCall, ...]


@dataclass(frozen=True)
class Batch:
    """Compiled tiles in one library."""

    library: Path
    tiles: tuple[CompiledTile, ...]


def compile_batch(
    programs: Sequence[TileProgram], target: tvm.target.Target, path: Path, cc: str | None
) -> Batch:
    """Compile tiles into one library.

    Parameters
    ----------
    programs : sequence of TileProgram
        At least one.
    target : tvm.target.Target
        Target of the boards.
    path : Path
        The library to write.
    cc : str or None
        Compiler that links for the target; None for the host's.
    """
    modules = [program.module for program in programs]
    weights = [program.weights for program in programs]
    graphs = build_kernels(modules, target, path, cc, weights)
    tiles = (
        CompiledTile(program, kernel_calls(graph.graph_json, program.weights))
        for program, graph in zip(programs, graphs, strict=True)
    )
    return Batch(path, tuple(tiles))


def kernel_calls(graph_json: str, weights: frozenset[int]) -> tuple[KernelCall, ...]:
    """The kernels of a compiled graph, in order.

    What depends on weights only is left out: in a real build they are constants, and whatever
    is computed from them is computed by the compiler.
    """
    graph = json.loads(graph_json)
    shapes, dtypes = graph["attrs"]["shape"][1], graph["attrs"]["dltype"][1]
    rows = graph["node_row_ptr"]
    folded = {input_name(k) for k in weights}
    constant: list[bool] = []
    calls = []
    for index, node in enumerate(graph["nodes"]):
        if node["op"] == "null":
            constant.append(node["name"] in folded)
            continue
        reads = [(source, rows[source] + output) for source, output, _ in node["inputs"]]
        constant.append(bool(reads) and all(constant[source] for source, _ in reads))
        name = node["attrs"]["func_name"]
        if constant[index] or name == NOTHING:
            continue
        results = range(rows[index], rows[index + 1])
        entries = [*(entry for _, entry in reads), *results]
        roles = [
            "w" if constant[source] or _in_library(graph["nodes"][source]) else "r"
            for source, _ in reads
        ] + ["-"] * len(results)
        tensors = tuple((tuple(shapes[e]), dtypes[e]) for e in entries)
        calls.append(KernelCall(name, tensors, "".join(roles)))
    return tuple(calls)


def _in_library(node: dict) -> bool:
    """Whether a node of a compiled graph is a constant that is kept with the kernels."""
    return node["op"] == "null" and not node["name"].startswith(INPUT)
