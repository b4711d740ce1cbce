# SPDX-License-Identifier: Apache-2.0
"""``flexpie show``: a plan as one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from ..errors import PlanError
from ..machine import FP32
from ..plan import plan_from_json, read_plan_json
from .drawing import graph_column, timeline
from .style import COLOURS, SCRIPT, STYLE, family


def show_plan(path: str | Path, output: str | Path) -> None:
    """Write the page of a ``plan.json``.

    Parameters
    ----------
    path : str or Path
        The ``plan.json``.
    output : str or Path
        The HTML file to write; it needs no other file and no network.

    Raises
    ------
    PlanError
        If the file is missing, damaged or of another version.
    """
    data = read_plan_json(path)
    plan_from_json(data, str(path))  # says what is wrong with it
    try:
        page = plan_page(data, Path(path).name)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(f"plan '{path}' is damaged ({error!r}): make it again") from None
    Path(output).write_text(page)


def plan_page(data: dict[str, Any], title: str = "plan") -> str:
    """The page of a plan in its JSON form (`plan_to_json`).

    Without ``notes["report"]`` (`with_report`) it shows the plan and no figures.

    Parameters
    ----------
    data : dict
        The plan, as `plan_to_json` gives it.
    title : str
        Heading of the page.

    Returns
    -------
    page : str
        HTML, with its style and script in it.
    """
    report = data.get("notes", {}).get("report", {})
    body = [
        f"<h1>{escape(title)}</h1>",
        _summary(data, report),
        _comparison(report),
        _timeline(data, report),
        _layers(data, report),
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        + "\n".join(part for part in body if part)
        + f"<script>{SCRIPT}</script></body></html>\n"
    )


def _summary(data: dict, report: dict) -> str:
    cluster, notes = data["cluster"], data.get("notes", {})
    schemes: dict[str, int] = {}
    for layer in data["layers"]:
        name = family(layer)
        schemes[name] = schemes.get(name, 0) + 1
    sent = sum(e["bytes"] for x in report.get("layers", []) for e in x["exchanges"].values())
    cards = [
        ("boards", f"{cluster['boards']} ({cluster['topology']})"),
        ("bandwidth", f"{cluster['bandwidth'] / 1e6:g} Mb/s"),
        ("scheme", data["scheme"]),
        ("precision", notes.get("precision", FP32)),
        ("layers", str(len({layer["layer"] for layer in data["layers"]}))),
        ("exchanges", str(len(data["exchanges"]))),
    ]
    if report:
        cards += [
            ("predicted", f"{report['latency_ms']:.3f} ms"),
            ("replayed", f"{report['simulated_ms']:.3f} ms"),
            ("exchanged", _size(sent)),
            ("memory", f"{_size(max(report['memory']))} at most"),
            ("costs from", report["cost_model"]),
        ]
    if "exact" in notes:
        gap = notes.get("gap", 0)
        proven = notes.get("proven", True)
        what, best = ("proof", "no plan is better") if proven else ("search", "complete")
        cards.append((what, best if notes["exact"] else f"within {gap:.1%}"))
    items = "".join(f"<div><b>{escape(v)}</b><span>{escape(k)}</span></div>" for k, v in cards)
    chips = "".join(
        f"<span class='chip' style='background:{COLOURS[k]}'>{k} {n}</span>"
        for k, n in schemes.items()
    )
    return f"<section class='cards'>{items}</section><p>{chips}</p>"


def _comparison(report: dict) -> str:
    rows = report.get("compare", [])
    if not rows:
        return ""
    slowest = max((r["predicted_ms"] or 0) for r in rows) or 1
    lines = []
    for row in rows:
        time = row["predicted_ms"]
        width = 100 * (time or 0) / slowest
        text = "does not fit" if time is None else f"{time:.3f} ms"
        lines.append(
            f"<tr><td>{escape(row['name'])}</td><td class='wide'>"
            f"<div class='bar' style='width:{width:.2f}%'></div></td>"
            f"<td class='number'>{text}</td><td class='number'>{row['score']:.3f}</td></tr>"
        )
    return (
        "<h2>Ways of cutting</h2><table class='compare'><tr><th></th><th></th>"
        "<th class='number'>predicted</th><th class='number'>score</th></tr>"
        + "".join(lines)
        + "</table>"
    )


def _timeline(data: dict, report: dict) -> str:
    if not report:
        return "<p>This plan carries no predicted figures.</p>"
    drawing = timeline(report["timeline"], data["cluster"]["boards"], report["simulated_ms"])
    links = "".join(
        f"<tr><td>{_end(a)} &rarr; {_end(b)}</td><td class='number'>{_size(n)}</td></tr>"
        for a, b, n in report["links"]
    )
    return (
        "<h2>Timeline</h2><p class='legend'><i class='compute'></i>compute "
        "<i class='exchange'></i>exchange <i class='wait'></i>wait <i class='scatter'></i>"
        "scatter and gather <label>zoom <input id='zoom' type='range' min='100' max='2000' "
        f"value='100'></label></p><div class='scroll'>{drawing}</div>"
        f"<details><summary>bytes per link</summary><table>{links}</table></details>"
    )


def _layers(data: dict, report: dict) -> str:
    figures = {x["layer"]: x for x in report.get("layers", [])}
    slowest = max((max(x["ms"]) for x in figures.values()), default=1) or 1
    boards = range(data["cluster"]["boards"])
    head = "".join(f"<th>board {b}</th>" for b in boards)
    rows = [_row(layer, figures.get(layer["layer"]), slowest) for layer in data["layers"]]
    column = graph_column(data["layers"], figures)
    return (
        "<h2>Layers</h2><div class='layers scroll'>"
        f"{column}<table><tr><th>layer</th><th>operator</th><th>cut</th>{head}"
        "<th class='number'>slowest</th><th class='number'>exchange</th></tr>"
        f"{''.join(rows)}</table></div>"
    )


def _row(layer: dict, figure: dict | None, slowest: float) -> str:
    name, colour = family(layer), COLOURS[family(layer)]
    label = layer["scheme"] if layer["mode"] == "T" else "NT"
    cells = []
    for board, region in enumerate(layer["computed"]):
        shape = "&ndash;" if region is None else "&times;".join(str(b - a) for a, b in region)
        time = figure["ms"][board] if figure else 0.0
        box = "nothing" if region is None else " ".join(f"[{a}:{b}]" for a, b in region)
        cells.append(
            f"<td title='{box}, {time:.4f} ms'><span>{shape}</span>"
            f"<div class='bar' style='width:{100 * time / slowest:.1f}%;"
            f"background:{colour}'></div></td>"
        )
    worst = f"{max(figure['ms']):.3f} ms" if figure else ""
    sent = figure["exchanges"].get(layer["tensor"]) if figure else None
    moved = f"{_size(sent['bytes'])}, {sent['ms']:.3f} ms" if sent else ""
    kind = " class='boundary'" if sent else ""
    return (
        f"<tr{kind}><td title='{escape(layer['tensor'])}'>{escape(layer['layer'])}</td>"
        f"<td>{escape(layer['op'])}</td>"
        f"<td><span class='chip {name}' style='background:{colour}'>{escape(label)}</span></td>"
        f"{''.join(cells)}<td class='number'>{worst}</td><td class='number'>{moved}</td></tr>"
    )


def _end(board: int) -> str:
    return "host" if board < 0 else f"board {board}"


def _size(count: float) -> str:
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count:.0f} B"
