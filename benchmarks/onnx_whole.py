#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The onnx package's node cases on one board, with inputs that vary and frozen; a table.

A run can be stopped and started again: what is in the results file is not done again.

    python benchmarks/onnx_whole.py --results whole.jsonl --report docs/onnx_operators.md
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

from onnx.backend.test.loader import load_model_tests

from flexpie_tvm.errors import ModelError
from flexpie_tvm.testing.whole_cases import outcome, whole_case

FORMS = ("varying", "frozen")


def main() -> int:
    """Run the command line; 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("onnx_whole.jsonl"))
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--import-only", action="store_true", help="compile and run nothing")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after as many")
    parser.add_argument("--expanded", action="store_true", help="also functions written out")
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.is_file() else []
    records = {(r["name"], r["form"]): r for r in map(json.loads, lines)}
    stop = time.monotonic() + options.seconds
    with options.results.open("a") as results:
        for case in sorted(load_model_tests(kind="node"), key=lambda c: c.name):
            for form in FORMS:
                if "_expanded" in case.name and not options.expanded:
                    continue
                if time.monotonic() > stop or (case.name, form) in records:
                    continue
                record = measure(case, form, not options.import_only)
                records[case.name, form] = record
                print(json.dumps(record), file=results, flush=True)
    found = [records[key] for key in sorted(records)]
    text = report(found)
    print(text.split("\n## ")[0])
    if options.report:
        options.report.write_text(text)
    return int(any(r["what"] == "wrong" for r in found))


def measure(case, form: str, run: bool) -> dict:
    """What becomes of a case."""
    record = {"name": case.name, "form": form, "operator": "", "opset": 0}
    try:
        read = whole_case(case, form == "frozen")
        record |= {"operator": read.operator, "opset": read.opset}
        what, why = outcome(read, run)
    except ModelError as error:
        what, why = "refused", str(error)
    except Exception as error:  # reported, and the next case is tried
        what, why = "crashed", f"{type(error).__name__}: {error}".splitlines()[0]
    return record | {"what": what, "why": re.sub(r"\[\d+:\d+:\d+\] ", "", why)}


def report(records: list[dict]) -> str:
    """Numbers of outcomes, then every operator, then the reasons."""
    whats = sorted({r["what"] for r in records}, key=lambda w: (w != "right", w))
    lines = [
        "# ONNX operators, on one board",
        "",
        "Made by `benchmarks/onnx_whole.py`: node cases of the onnx package's suite, imported,",
        "compiled and run whole, against the answers that the suite ships. In the frozen form",
        "small inputs behind the first, and all that only say how large a result is, are weights",
        "of the model, as they are in most files; in the other form all inputs vary, and what",
        "needs their values to know a shape is refused.",
        "Cases under `engine` have onnxruntime's answers, which are not the suite's.",
        "",
        "| form | " + " | ".join(whats) + " |",
        "|---" * (len(whats) + 1) + "|",
    ]
    for form in FORMS:
        counts = [sum(r["form"] == form and r["what"] == w for r in records) for w in whats]
        lines.append(f"| {form} | " + " | ".join(map(str, counts)) + " |")
    lines += ["", "## Operators", "", "Frozen form: cases by opset.", ""]
    lines += ["| operator | opset | outcome |", "|---|---|---|"]
    by_operator = defaultdict(list)
    for r in records:
        if r["form"] == "frozen" and r["operator"]:
            by_operator[r["operator"], r["opset"]].append(r["what"])
    for (operator, opset), found in sorted(by_operator.items()):
        text = ", ".join(f"{found.count(w)} {w}" for w in whats if w in found)
        lines.append(f"| {operator} | {opset} | {text} |")
    for what in whats:
        if what in ("right", "imported"):
            continue
        lines += ["", f"## {what}", ""]
        reasons = defaultdict(list)
        for r in records:
            if r["what"] == what and r["form"] == "frozen":
                reasons[r["why"]].append(r["name"].removeprefix("test_"))
        lines += [f"* {why}: {' '.join(names)}" for why, names in sorted(reasons.items())]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
