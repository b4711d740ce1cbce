# SPDX-License-Identifier: Apache-2.0
"""Many board functions in one, and the compiled graph cut apart again.

TVM schedules a kernel once per compilation. Compiled side by side in one function, tiles
that are equal on several boards are therefore scheduled and compiled once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import relay

from ..relay.exchange_op import numbers_as_data
from ..relay.layout import layout_of, with_layout

#: How names of boards' inputs begin, and no name of a weight.
INPUT = "input"


@dataclass(frozen=True)
class BoardGraph:
    """Graph executor input of one board: JSON, names of kernels, names of parameters."""

    graph_json: str
    kernels: frozenset[str]
    params: frozenset[str]


def input_name(position: int) -> str:
    """Name of a board's input in its compiled graph.

    Not the model's own: that may be one that TVM gives to weights (``p0``), or hold characters
    that TVM's JSON reader does not know.

    Parameters
    ----------
    position : int
        Which of the inputs that the board needs, from 0, in the model's order.
    """
    return f"{INPUT}{position}"


def merged_name(rank: int, position: int) -> str:
    """Name of a board's input in the merged function."""
    return f"{_prefix(rank)}{input_name(position)}"


def merge(boards: Sequence[tvm.IRModule]) -> tvm.IRModule:
    """One function that runs all boards, with inputs named ``b<rank>:input<position>``.

    All have the layout of the first. Equal exchanges are one kernel (`numbers_as_data`).
    """
    params, fields = [], []
    for rank, mod in enumerate(boards):
        main = mod["main"]
        fresh = [relay.var(merged_name(rank, k), p.checked_type) for k, p in enumerate(main.params)]
        body = relay.bind(main.body, dict(zip(main.params, fresh, strict=True)))
        body = numbers_as_data(body)
        params.extend(fresh)
        fields.extend(body.fields)
    merged = tvm.IRModule.from_expr(relay.Function(params, relay.Tuple(fields)))
    return with_layout(merged, layout_of(boards[0]))


def cut_graph(graph_json: str, results: Sequence[int]) -> list[BoardGraph]:
    """Cut the compiled graph of a merged function into the boards' graphs.

    Parameters
    ----------
    graph_json : str
        Graph executor JSON of the merged function.
    results : sequence of int
        Number of results of each board, in rank order.
    """
    graph = json.loads(graph_json)
    boards, start = [], 0
    for rank, count in enumerate(results):
        heads = graph["heads"][start : start + count]
        boards.append(_cut(graph, heads, _prefix(rank)))
        start += count
    return boards


def _prefix(rank: int) -> str:
    return f"b{rank}:"


def _cut(graph: dict, heads: list, prefix: str) -> BoardGraph:
    nodes = graph["nodes"]
    keep, todo = set(), [h[0] for h in heads]
    while todo:
        node = todo.pop()
        if node not in keep:
            keep.add(node)
            todo.extend(entry[0] for entry in nodes[node]["inputs"])
    order = sorted(keep)
    new_id = {old: new for new, old in enumerate(order)}
    rows = graph["node_row_ptr"]
    picked = [entry for old in order for entry in range(rows[old], rows[old + 1])]
    row_ptr = [0]
    for old in order:
        row_ptr.append(row_ptr[-1] + rows[old + 1] - rows[old])
    new_nodes = [_renumber(nodes[old], new_id, prefix) for old in order]
    cut = {
        "nodes": new_nodes,
        "arg_nodes": [k for k, n in enumerate(new_nodes) if n["op"] == "null"],
        "heads": [[new_id[h[0]], h[1], 0] for h in heads],
        "attrs": {k: [kind, _pick(k, v, picked)] for k, (kind, v) in graph["attrs"].items()},
        "node_row_ptr": row_ptr,
    }
    return BoardGraph(
        json.dumps(cut),
        frozenset(n["attrs"]["func_name"] for n in new_nodes if n["op"] == "tvm_op"),
        frozenset(n["name"] for n in new_nodes if n["op"] == "null"),
    )


def _renumber(node: dict, new_id: dict[int, int], prefix: str) -> dict:
    inputs = [[new_id[i], k, version] for i, k, version in node["inputs"]]
    return {**node, "name": node["name"].removeprefix(prefix), "inputs": inputs}


def _pick(name: str, values: list, picked: list[int]) -> list:
    chosen = [values[k] for k in picked]
    if name != "storage_id":
        return chosen
    dense: dict[int, int] = {}
    return [dense.setdefault(s, len(dense)) for s in chosen]
