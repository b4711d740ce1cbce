# SPDX-License-Identifier: Apache-2.0
"""Which tiles to time: random layers and layers of models, whole and cut in random ways.

Tiles are made the way the planner makes them: regions of a layer's outputs go through the same
rules (`plan.derive`) and give the same records (`plan.work.tile_work`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relay

from ...cost.records import TileWork
from ...graph import Graph, Layer, Region, Tensor, whole
from ...passes import FlexPiePreOptimize
from ...plan import derive, layer_cuttable, parse_scheme, split_for
from ...plan.predict.facts import Facts
from ...relay import Imported, import_module
from .draft import Draft
from .families import draw_family
from .tiles import TileProgram, layer_tiles, tile_program, tile_record

SAMPLER = "sampler"
#: Cuts are drawn for up to this many boards, and how often for each number.
MOST_BOARDS = 8
BOARD_ODDS = (0.15, 0.23, 0.15, 0.2, 0.07, 0.08, 0.04, 0.08)
#: A tile is grown by up to this many rows and columns on each side, as one that recomputes.
MOST_HALO = 8
#: Bytes that one tile may touch.
MOST_BYTES = 600_000_000
#: Tiles that touch fewer bytes are thinned out, down to a share.
SMALL_BYTES, SMALL_SHARE = 65536, 0.15
#: Layers whose only work is to change layouts stand at the borders of small samples much more
#: often than in models; this is how many of them are kept.
LAYOUT_SHARE = 0.12


@dataclass(frozen=True)
class ProfiledModel:
    """A model whose layers are to be timed: pre-optimized, and as a graph of layers.

    Parameters
    ----------
    name : str
        Kept with its traces.
    module : tvm.IRModule
        Pre-optimized for the boards' target.
    imported : Imported
        The layers of that module.
    """

    name: str
    module: tvm.IRModule
    imported: Imported


def random_subject(
    rng: np.random.Generator,
    layers: int,
    target: tvm.target.Target,
    families: Sequence[str] = (),
) -> ProfiledModel:
    """A module of random layers side by side, each over inputs of its own.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws them.
    layers : int
        How many.
    target : tvm.target.Target
        What they are laid out for.
    families : sequence of str
        Keys of `FAMILIES` to draw from; all by default.
    """
    drafts = [Draft(rng, f"layer{k}") for k in range(layers)]
    outputs = [draw_family(draft, families) for draft in drafts]
    params = [param for draft in drafts for param in draft.params]
    function = relay.Function(params, relay.Tuple(outputs))
    return subject_of(SAMPLER, tvm.IRModule.from_expr(function), target)


def subject_of(name: str, mod: tvm.IRModule, target: tvm.target.Target) -> ProfiledModel:
    """A model, prepared for its boards' target as ``flexpie build`` prepares it.

    Parameters
    ----------
    name : str
        Kept with its traces.
    mod : tvm.IRModule
        As imported.
    target : tvm.target.Target
        The boards'.
    """
    optimized = FlexPiePreOptimize(target)(mod)
    return ProfiledModel(name, optimized, import_module(optimized))


def sample_tiles(
    subject: ProfiledModel, rng: np.random.Generator, cuts: int, known: set[TileWork]
) -> Iterator[TileProgram]:
    """Tiles of a subject's layers that are not known yet, layer by layer.

    Parameters
    ----------
    subject : ProfiledModel
        The layers.
    rng : numpy.random.Generator
        Decides how layers are cut.
    cuts : int
        Tiles per layer: the whole layer first if ``cuts`` is above 1, then random ones.
    known : set of TileWork
        Configurations to skip; those that are yielded are added.
    """
    imported = subject.imported
    graph = imported.graph
    geometry = derive(graph, draw_regions(graph, rng, cuts), cuts)
    memo = Facts()
    for layer in graph.layers:
        if _is_layout(graph, layer) and rng.random() > LAYOUT_SHARE:
            continue
        for cut in range(cuts):
            tiles = layer_tiles(geometry, layer, cut)
            work = tile_record(imported, layer, tiles, memo)
            if work is None or work in known or not _worth_timing(work, rng):
                continue
            known.add(work)
            yield tile_program(imported, layer, tiles, work, subject.name)


def _worth_timing(work: TileWork, rng: np.random.Generator) -> bool:
    """Few of the tiles that take microseconds, none that would fill a small board's memory."""
    size = work.bytes_moved
    return size <= MOST_BYTES and rng.random() < max(SMALL_SHARE, min(1.0, size / SMALL_BYTES))


def draw_regions(
    graph: Graph, rng: np.random.Generator, cuts: int
) -> Mapping[int, Sequence[Region]]:
    """For every tensor that leaves its layer, ``cuts`` regions of it to compute."""
    drawn = {}
    for layer in graph.layers:
        cuttable = layer_cuttable(graph, layer)
        for tensor in (graph.tensors[t] for t in layer.outputs):
            regions = [_draw_region(tensor, cuttable, rng) for _ in range(cuts)]
            drawn[tensor.id] = [whole(tensor.shape), *regions[1:]] if cuts > 1 else regions
    return drawn


def _draw_region(tensor: Tensor, cuttable: frozenset[int], rng: np.random.Generator) -> Region:
    """What one of some boards computes under some scheme, perhaps more than it owns."""
    boards = int(rng.choice(np.arange(1, MOST_BOARDS + 1), p=BOARD_ODDS))
    scheme = parse_scheme(str(rng.choice(["InH", "InW", "OutC", "2D-grid"])), boards)
    uneven = rng.random() < 0.3
    shares = rng.dirichlet(np.full(boards, 4.0)) if uneven else np.full(boards, 1 / boards)
    owned = split_for(scheme, tensor, cuttable, shares).owned(tensor.shape, boards)
    some = [region for region in owned if not region.is_empty]
    region = some[int(rng.integers(len(some)))]
    if rng.random() < 0.3:
        for axis in (tensor.axes.h, tensor.axes.w):
            if axis is not None and axis in cuttable:
                region = _grown(region, axis, tensor.shape[axis], rng)
    return region


def _grown(region: Region, axis: int, size: int, rng: np.random.Generator) -> Region:
    before, after = (int(n) for n in rng.integers(0, MOST_HALO + 1, 2))
    start, stop = region.bounds[axis]
    return region.replace(axis, max(0, start - before), min(size, stop + after))


def _is_layout(graph: Graph, layer: Layer) -> bool:
    return graph.ops[layer.anchor].kind == "layout_transform"
