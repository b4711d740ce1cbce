# SPDX-License-Identifier: Apache-2.0
"""Pictures of a benchmark: bars per configuration, scores, predicted against measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from ...extras import require
from .figures import PLANNER, end_to_end, in_place, mean_scores, spread, ways_of
from .records import CaseRecord

COLUMNS = 3


def plot_latencies(records: Sequence[CaseRecord], path: Path) -> Path:
    """Bars of every configuration's latency, as in the paper's figures 7 and 8."""
    ways = ways_of(records)
    columns = min(COLUMNS, len(records))
    rows = -(-len(records) // columns)
    figure = _figures().Figure(figsize=(4.6 * columns, 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, record in zip(panels, records, strict=False):
        _bars(panel, record, ways)
    for panel in panels[len(records) :]:
        panel.axis("off")
    figure.savefig(path, dpi=110)
    return path


def _figures():
    return require("matplotlib.figure", "the pictures of a benchmark")


def _bars(panel, record: CaseRecord, ways: list[str]) -> None:
    every = {**record.one_board, **{w: record.ways[w] for w in ways if w in record.ways}}
    heights = [median(end_to_end(m)) for m in every.values()]
    errors = [spread(end_to_end(m)) * h for m, h in zip(every.values(), heights, strict=True)]
    colours = [_colour(name, record) for name in every]
    panel.bar(range(len(every)), heights, yerr=errors, color=colours, capsize=2)
    panel.set_xticks(range(len(every)), every, rotation=35, ha="right", fontsize=7)
    cluster = f"{record.boards} boards, {record.topology}, {record.bandwidth / 1e6:g} Mb/s"
    panel.set_title(f"{record.model}, {cluster}", fontsize=8)
    panel.set_ylabel("ms", fontsize=7)
    panel.tick_params(axis="y", labelsize=7)


def _colour(name: str, record: CaseRecord) -> str:
    if name in record.one_board:
        return "tab:gray"
    return "tab:orange" if name == PLANNER else "tab:blue"


def plot_scores(records: Sequence[CaseRecord], path: Path) -> Path:
    """Mean score of every way, per number of boards, as in the paper's figure 9."""
    boards = sorted({r.boards for r in records})
    figure = _figures().Figure(figsize=(7, 3.2 * len(boards)), layout="constrained")
    panels = figure.subplots(len(boards), 1, squeeze=False).ravel()
    for panel, count in zip(panels, boards, strict=True):
        some = [r for r in records if r.boards == count]
        ways = ways_of(some)
        for shift, (name, rounds) in enumerate(
            (("end to end", end_to_end), ("input in place", in_place))
        ):
            found = mean_scores(some, rounds)
            places = np.arange(len(ways)) + (shift - 0.5) * 0.38
            bars = panel.bar(places, [found[w] for w in ways], 0.36, label=name)
            panel.bar_label(bars, fmt="%.2f", fontsize=7)
        panel.set_xticks(range(len(ways)), ways, fontsize=8)
        panel.set_ylim(0, 1.3)
        panel.set_title(f"{count} boards: score", fontsize=9)
        panel.legend(fontsize=7, loc="upper left", ncols=2)
    figure.savefig(path, dpi=110)
    return path


def plot_predictions(records: Sequence[CaseRecord], path: Path) -> Path | None:
    """Predicted against measured latency of every way; None if nothing was predicted."""
    figure = _figures().Figure(figsize=(5, 4.6), layout="constrained")
    panel = figure.subplots()
    limits = []
    for way in ways_of(records):
        pairs = [
            (r.ways[way].predicted_ms, median(r.ways[way].ms))
            for r in records
            if way in r.ways and r.ways[way].predicted_ms
        ]
        if pairs:
            predicted, measured = zip(*pairs, strict=True)
            limits += [*predicted, *measured]
            panel.scatter(measured, predicted, s=14, label=way)
    if not limits:
        return None
    span = [min(limits) * 0.8, max(limits) * 1.25]
    panel.plot(span, span, color="black", linewidth=0.7)
    panel.set(xscale="log", yscale="log", xlim=span, ylim=span)
    panel.set_xlabel("measured ms, end to end")
    panel.set_ylabel("predicted ms")
    panel.legend(fontsize=7)
    figure.savefig(path, dpi=110)
    return path
