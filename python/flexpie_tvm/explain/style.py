# SPDX-License-Identifier: Apache-2.0
"""Colours, style sheet and script of the page."""

from __future__ import annotations

COLOURS = {
    "InH": "#2f6fb3",
    "InW": "#16857a",
    "OutC": "#c4661f",
    "2D-grid": "#7a4fb5",
    "InC": "#b03a6f",
    "Single": "#666f7a",
    "NT": "#a9b1bb",
}
EVENTS = {
    "compute": "#2f6fb3",
    "exchange": "#c43f3f",
    "wait": "#e3e6ea",
    "scatter": "#c9a227",
    "gather": "#c9a227",
}
ROW = 38  # pixels of a table row

STYLE = (
    """
body{font:14px/1.4 system-ui,sans-serif;margin:24px auto;max-width:1500px;padding:0 20px;
color:#1d2329}
h1{font-size:22px;margin:0 0 12px}h2{font-size:17px;margin:26px 0 8px}
.cards{display:flex;flex-wrap:wrap;gap:10px}.cards div{border:1px solid #d9dde2;
border-radius:6px;padding:6px 12px;display:flex;flex-direction:column}
.cards span{color:#5b6570;font-size:12px}
.chip{color:#fff;border-radius:4px;padding:1px 8px;margin-right:6px;white-space:nowrap}
.chip.NT{color:#1d2329}
table{border-collapse:collapse}th{font-weight:600;text-align:left;color:#5b6570}
td,th{padding:2px 10px;font-size:13px;white-space:nowrap}
th.number,.number{text-align:right;font-variant-numeric:tabular-nums}
.compare{width:100%;max-width:900px}.wide{width:60%}
.bar{height:5px;background:#2f6fb3;border-radius:2px;min-width:1px}
.compare .bar{height:14px}
.scroll{overflow-x:auto}.layers{display:flex;align-items:flex-start}
.layers td,.layers th{padding:2px 6px}
.layers svg{flex:none}.layers tr{height:ROWpx}.layers td{border-top:1px solid #eceff2}
tr.boundary td{border-bottom:2px dashed #c43f3f}
.legend i{display:inline-block;width:12px;height:12px;margin:0 4px 0 14px;border-radius:2px}
details{margin-top:6px}.legend label{margin-left:24px}
"""
    + "".join(f".legend i.{name}{{background:{colour}}}" for name, colour in EVENTS.items())
).replace("ROW", str(ROW))

SCRIPT = """
const zoom = document.getElementById('zoom'), line = document.getElementById('timeline');
if (zoom && line) zoom.oninput = () => { line.style.width = zoom.value + '%'; };
"""


def family(layer: dict) -> str:
    """The colour class of a layer of a plan: its scheme without the grid's size, or NT."""
    if layer["mode"] != "T":
        return "NT"
    name = layer["scheme"].split(":")[0]
    return name if name in COLOURS else "Single"
