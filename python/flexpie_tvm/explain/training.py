# SPDX-License-Identifier: Apache-2.0
"""How well a trained cost model predicts what it never saw: Markdown and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..cost import Analytic, Cost
from ..cost.train import HeldOut, Trained, analytic
from ..cost.validate import Score, score
from ..cost.whole_models import WholeModel
from ..extras import require

PAGE, PICTURE = "report.md", "predicted_vs_measured.png"
_HEAD = "| configurations | MAPE % | median % | 95th % | rank | analytic % | fitted % |"
#: Kinds of operators with fewer configurations are not worth a line.
FEWEST = 5


def write_report(trained: Trained, folder: str | Path) -> Path:
    """Write ``report.md`` and its picture into a folder, which is made if needed.

    Returns
    -------
    page : Path
        The Markdown file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    draw_report(trained, folder / PICTURE)
    page = folder / PAGE
    page.write_text(report_text(trained))
    return page


def report_text(trained: Trained) -> str:
    """The report as Markdown.

    Every configuration was predicted by estimators that were trained without it. ``analytic``
    is the error of `Analytic` as it is, ``fitted`` with the figures that fit it best.
    """
    origin, figures = trained.cost.origin, trained.cost.figures
    where = origin.setting
    lines = [
        f"# Cost model of {where.board_kind}",
        "",
        f"Target `{where.target}`, TVM {where.tvm}, {where.threads} thread(s) per board; "
        f"{origin.tiles} tiles and {origin.transfers} transfers (configurations).",
        "",
        "Errors are relative to the measured time, on configurations that the estimator was "
        "trained without (cross-validation grouped by configuration). *rank* is Spearman's "
        "correlation. *analytic* is the error of the cost model that needs no measurements, "
        f"*fitted* of the same with the best figures for this board: {figures.gflops:.3g} Gop/s, "
        f"{figures.memory_bandwidth / 1e9:.3g} GB/s, {figures.overhead * 1e6:.3g} us a start.",
        "",
        f"![predicted against measured]({PICTURE})",
    ]
    fitted = analytic(figures)
    compute, exchange = (lambda c: c.compute), (lambda c: c.exchange)
    lines += _table("Tiles by family", trained.tiles, compute, fitted)
    lines += _table("Tiles by operator", by_kind(trained.tiles), compute, fitted)
    lines += _table("Transfers", trained.transfers, exchange, fitted)
    lines += _models(trained.models)
    if trained.skipped:
        few = ", ".join(f"{part} ({count})" for part, count in sorted(trained.skipped.items()))
        lines += ["", f"Too few configurations to learn from, left to *fitted*: {few}."]
    return "\n".join(lines) + "\n"


def by_kind(parts: Sequence[HeldOut]) -> list[HeldOut]:
    """The same predictions, by the Relay name of the anchor operator."""
    joined = joint(parts)
    kinds = np.array([record.kind for record in joined.records])
    names, counts = np.unique(kinds, return_counts=True)
    return [
        HeldOut(
            name,
            [joined.records[i] for i in np.flatnonzero(kinds == name)],
            joined.measured[kinds == name],
            joined.predicted[kinds == name],
        )
        for name, count in zip(names.tolist(), counts.tolist(), strict=True)
        if count >= FEWEST
    ]


def joint(parts: Sequence[HeldOut]) -> HeldOut:
    """All parts as one."""
    return HeldOut(
        "all",
        [record for part in parts for record in part.records],
        np.concatenate([np.zeros(0), *(part.measured for part in parts)]),
        np.concatenate([np.zeros(0), *(part.predicted for part in parts)]),
    )


def _table(
    title: str, parts: Sequence[HeldOut], ask: Callable[[Cost], Callable], fitted: Cost
) -> list[str]:
    if not parts:
        return []
    lines = ["", f"## {title}", "", f"| {_HEAD}", "|---" * 8 + "|"]
    for part in [*parts, joint(parts)]:
        others = [
            score(part.measured, ask(cost)(part.records)).mape for cost in (Analytic(), fitted)
        ]
        lines.append(_row(part.part, part.score, others))
    return lines


def _row(name: str, own: Score, others: Sequence[float]) -> str:
    figures = [own.mape, own.median, own.p95]
    percent = [f"{100 * value:.2f}" for value in figures]
    last = [f"{100 * value:.1f}" for value in others]
    return "| " + " | ".join([name, str(own.count), *percent, f"{own.rank:.4f}", *last]) + " |"


def _models(models: Sequence[WholeModel]) -> list[str]:
    if not models:
        return []
    lines = [
        "",
        "## Whole models",
        "",
        "Time of one run on one board, against the sum of its predicted layers; *held out* is "
        "the share of the sum that comes from estimators which never saw the layer.",
        "",
        "| model | layers | measured ms | predicted ms | error % | held out % |",
        "|---" * 6 + "|",
    ]
    lines += [
        f"| {m.name} | {m.layers} | {m.measured:.2f} | {m.predicted:.2f} "
        f"| {100 * m.error:+.1f} | {100 * m.held_out:.0f} |"
        for m in models
    ]
    mean = sum(abs(m.error) for m in models) / len(models)
    return [*lines, "", f"Mean error of {len(models)} models: {mean:.1%}."]


def draw_report(trained: Trained, path: Path) -> None:
    """Predicted against measured time, tiles by family and transfers by kind, as a PNG."""
    figures = require("matplotlib.figure", "the picture of a training")
    canvas = require("matplotlib.backends.backend_agg", "the picture of a training")
    panels = [("tiles", trained.tiles), ("transfers", trained.transfers)]
    panels = [(title, parts) for title, parts in panels if parts]
    figure = figures.Figure(figsize=(6.4 * len(panels), 6.0), layout="constrained")
    canvas.FigureCanvasAgg(figure)
    for number, (title, parts) in enumerate(panels):
        _draw_panel(figure.add_subplot(1, len(panels), number + 1), title, parts)
    figure.savefig(path, dpi=110)


def _draw_panel(axes, title: str, parts: Sequence[HeldOut]) -> None:
    everything = joint(parts)
    both = np.concatenate([everything.measured, everything.predicted])
    ends = np.array([both.min() / 1.5, both.max() * 1.5])
    axes.plot(ends, ends, color="black", linewidth=1)
    axes.fill_between(ends, ends / 1.1, ends * 1.1, color="black", alpha=0.08, linewidth=0)
    order = sorted(parts, key=lambda part: -len(part.measured))
    for part in order:
        label = f"{part.part}: {part.score.mape:.1%} of {len(part.measured)}"
        axes.scatter(part.measured, part.predicted, s=9, alpha=0.6, linewidth=0, label=label)
    axes.set(
        xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal",
        xlabel="measured, ms", ylabel="predicted without having seen it, ms",
        title=f"{title}: mean relative error {everything.score.mape:.1%}",
    )  # fmt: skip
    axes.legend(loc="upper left", fontsize=8, markerscale=2, frameon=False)
    axes.text(0.98, 0.02, "grey: within 10 %", transform=axes.transAxes, ha="right", fontsize=8)
