# SPDX-License-Identifier: Apache-2.0
"""The predicted figures of a plan as plain data, kept in the plan's notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from ..cost import Cost
from ..graph import Graph
from ..plan import Compared, Evaluation, Event, Plan, Timeline
from ..plan.predict.evaluate import evaluate
from ..plan.predict.simulate import simulate


def with_report(graph: Graph, plan: Plan, cost: Cost, compared: Sequence[Compared] = ()) -> Plan:
    """The plan with ``notes["report"]``: all that `plan_page` shows beside the plan itself.

    Parameters
    ----------
    graph, plan, cost : Graph, Plan, Cost
        The plan and what predicts it.
    compared : sequence of Compared
        From `compare`; shown as bars.

    Returns
    -------
    plan : Plan
        Its report holds ``latency_ms`` (boards in step) and ``simulated_ms`` (boards run
        ahead), per layer the milliseconds of each board and its exchanges by tensor, the
        ``timeline``, bytes per link and the comparison. All plain data.
    """
    figures = evaluate(graph, plan, cost)
    timeline = simulate(graph, plan, cost)
    report = {
        "cost_model": cost.name,
        "latency_ms": figures.latency,
        "simulated_ms": timeline.latency,
        "memory": list(figures.memory),
        "scatter_ms": sum(figures.scatter.values()),
        "gather_ms": sum(figures.gather.values()),
        "layers": [_layer(graph, layer, figures) for layer in graph.layers],
        "timeline": [
            [e.board, e.what, e.name, round(e.start, 6), round(e.stop, 6)] for e in timeline.events
        ],
        "links": [[a, b, n] for (a, b), n in sorted(timeline.links.items())],
        "compare": [
            {"name": c.name, "predicted_ms": c.predicted_ms, "score": c.score}
            if isfinite(c.predicted_ms)
            else {"name": c.name, "predicted_ms": None, "score": 0.0}
            for c in compared
        ],
    }
    return replace(plan, notes={**plan.notes, "report": report})


def reported_timeline(notes: Mapping[str, Any]) -> Timeline | None:
    """The predicted timeline in a plan's notes; None where there is no report.

    Parameters
    ----------
    notes : mapping
        ``Plan.notes``, or ``notes`` of a plan in its JSON form.
    """
    report = notes.get("report")
    if report is None:
        return None
    return Timeline(
        [Event(*row) for row in report["timeline"]],
        {(source, target): nbytes for source, target, nbytes in report["links"]},
        report["simulated_ms"],
    )


def comparison_text(compared: Sequence[Compared]) -> str:
    """A table for a terminal: each way of cutting, its predicted latency and score.

    Parameters
    ----------
    compared : sequence of Compared
        What `compare` gave.
    """
    width = max(len(c.name) for c in compared)
    lines = [f"{'way':{width}}  predicted ms  score"]
    for c in compared:
        time = f"{c.predicted_ms:12.3f}" if isfinite(c.predicted_ms) else "does not fit"
        lines.append(f"{c.name:{width}}  {time}  {c.score:5.3f}")
    return "\n".join(lines)


def _layer(graph: Graph, layer, figures: Evaluation) -> dict:
    maker = {t: other.name for other in graph.layers for t in other.outputs}
    read = (t for op in layer.ops for t in graph.ops[op].inputs)
    before = dict.fromkeys(maker[t] for t in read if t in maker and maker[t] != layer.name)
    made = [t for op in layer.ops for t in graph.ops[op].outputs if t in figures.exchange]
    return {
        "layer": layer.name,
        "reads": list(before),
        "ms": [round(float(t), 6) for t in figures.compute[layer.id]],
        "exchanges": {
            graph.tensors[t].name: {"ms": round(figures.exchange[t], 6), "bytes": figures.nbytes[t]}
            for t in made
        },
    }
