#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All node cases of the onnx package's backend suite, cut in every way; a report of each.

A run can be stopped and started again: what is in the results file is not done again.

    python benchmarks/onnx_cases.py --results onnx_cases.jsonl --report docs/onnx_cases.md
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

from flexpie_tvm.errors import ModelError
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.onnx_cases import case_names, load_case
from flexpie_tvm.testing.onnx_checks import NotCompiled, check_case

# section -> what its cases have in common
SECTIONS = {
    "passed": "Cut along at least one axis; every plan gives the answers that the suite ships.",
    "uncut": "Right answers, but no operator could be cut: too small, or it has no rule.",
    "whole": "TVM's whole model gives other answers than the suite ships, or random ones; "
    "cut models give one of the two.",
    "wrong": "A plan gives answers that are neither the suite's nor the whole model's.",
    "crashed": "An error on the way.",
    "uncompiled": "Imported, but TVM cannot compile or run the whole model.",
    "refused": "Not imported: Relay's importer refuses the model or leaves shapes dynamic.",
}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", help="names; all by default")
    parser.add_argument("--results", type=Path, default=Path("onnx_cases.jsonl"))
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.is_file() else []
    records = {r["name"]: r for r in map(json.loads, lines)}
    evaluator, target = Evaluator(), host_target()
    with options.results.open("a") as results:
        for name in options.cases or case_names():
            if name not in records:
                records[name] = {"name": name, **measure(name, target, evaluator)}
                print(json.dumps(records[name]), file=results, flush=True)
    text = report([records[name] for name in sorted(records)])
    print(text.split("\n## ")[0])
    if options.report:
        options.report.write_text(text)
    return int(any(r["section"] in ("wrong", "crashed") for r in records.values()))


def measure(name: str, target: str, evaluator: Evaluator) -> dict:
    """Section of one case, and why."""
    try:
        result = check_case(load_case(name), target, evaluator)
    except ModelError as error:
        return {"section": "refused", "why": reason(error, name)}
    except NotCompiled as error:
        return {"section": "uncompiled", "why": reason(error, name)}
    except Exception as error:  # reported, and the next case is tried
        return {"section": "crashed", "why": f"{type(error).__name__}: {reason(error, name)}"}
    if result.wrong:
        section = "wrong"
    elif result.whole_differs:
        section = "whole"
    else:
        section = "passed" if result.cut else "uncut"
    return {"section": section, "why": "; ".join(result.wrong), **asdict(result)}


def reason(error: Exception, name: str) -> str:
    """The last line of an error, without the name of the case, times and places in TVM."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r":? \[\d+:\d+:\d+\].*", "", lines[-1] if lines else "")
    return text.replace(f"Relay cannot import '{name}': ", "").replace(f" of '{name}'", "")


def report(records: list[dict]) -> str:
    """Counts, then every case with its reason, section by section."""
    plans = sum(r.get("plans", 0) for r in records)
    lines = [
        "# The ONNX backend suite, cut",
        "",
        "Made by `benchmarks/onnx_cases.py`: all node cases of the onnx package, imported, as such",
        "and pre-optimized, under plans that cut each axis in turn, plans of partial results and",
        f"random plans, on 2, 3 and 4 emulated boards: {len(records)} cases, {plans} plans.",
        "",
        "Every case on one board, also with small inputs as weights: ",
        "[onnx_operators.md](onnx_operators.md).",
        "",
        "| cases | number | meaning |",
        "|---|---|---|",
    ]
    by_section = {s: [r for r in records if r["section"] == s] for s in SECTIONS}
    for section, meaning in SECTIONS.items():
        lines.append(f"| {section} | {len(by_section[section])} | {meaning} |")
    for section, found in by_section.items():
        lines += ["", f"## {section}", ""]
        for why in sorted({r["why"] for r in found}):
            names = " ".join(r["name"].removeprefix("test_") for r in found if r["why"] == why)
            lines.append(f"* {why}: {names}" if why else names)
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
