# SPDX-License-Identifier: Apache-2.0
"""What an operator does inside, when it stands for many: the sum over a graph of its own."""

from __future__ import annotations

from ...graph import Graph, Op, whole
from ...rules import Tile, rule_for
from .facts import BoardFigures, Facts
from .work import tile_work


def body_work(body: Graph) -> dict[str, int]:
    """The attributes of ``flexpie.recurrent`` that tell its work (`rules.recurrent`).

    Parameters
    ----------
    body : Graph
        What it computes, operator by operator.

    Returns
    -------
    work : dict
        Operations, elements of costly functions, kernels, and bytes.
    """
    memo = Facts()
    tiles = {op.id: _whole_tile(op) for op in body.ops}
    alone = BoardFigures(1)
    works = [tile_work(body, layer, tiles, alone, memo=memo) for layer in body.layers]
    known = [work for work in works if work is not None]
    once = sum(t.nbytes for t in body.tensors if t.kind != "op" or t.id in body.outputs)
    return {
        "flops": sum(work.flops for work in known),
        "special": sum(work.special for work in known),
        "kernels": len(known),
        "traffic": max(0, sum(work.bytes_moved for work in known) - once),
        "working": working_bytes(body),
    }


def _whole_tile(op: Op) -> Tile:
    return rule_for(op).tile(op, whole(op.out_shape))


def working_bytes(body: Graph) -> int:
    """Bytes that are held at once, at most, beside inputs, weights and results.

    A layer's results are held from where they are made to where they are read last.
    """
    last: dict[int, int] = {}
    for place, layer in enumerate(body.layers):
        for op in layer.ops:
            last.update((tensor, place) for tensor in body.ops[op].inputs)
    held, peak, ends = 0, 0, dict[int, list[int]]()
    for place, layer in enumerate(body.layers):
        for tensor in layer.outputs:
            if tensor not in body.outputs:
                held += body.tensors[tensor].nbytes
                ends.setdefault(last.get(tensor, place), []).append(tensor)
        peak = max(peak, held)
        held -= sum(body.tensors[tensor].nbytes for tensor in ends.get(place, ()))
    return peak
