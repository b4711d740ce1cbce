#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The onnx package's node cases on one board, with inputs that vary and frozen; counts.

A run can be stopped and started again: what is in the results file is not done again.
`onnx_report.py` makes a page of the results.

    python benchmarks/onnx_whole.py --results whole.jsonl
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path

from onnx.backend.test.loader import load_model_tests

from flexpie_tvm.errors import ModelError
from flexpie_tvm.testing.whole_cases import operator_of, outcome, whole_case

FORMS = ("varying", "frozen")


def main() -> int:
    """Run the command line; 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("onnx_whole.jsonl"))
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
    print(summary(found))
    return int(any(r["what"] == "wrong" for r in found))


def measure(case, form: str, run: bool) -> dict:
    """What becomes of a case."""
    operator, opset = operator_of(case)
    record = {"name": case.name, "form": form, "operator": operator, "opset": opset}
    try:
        what, why = outcome(whole_case(case, form == "frozen"), run)
    except ModelError as error:
        what, why = "refused", str(error)
    except Exception as error:  # reported, and the next case is tried
        what, why = "crashed", f"{type(error).__name__}: {error}".splitlines()[0]
    return record | {"what": what, "why": re.sub(r"\[\d+:\d+:\d+\] ", "", why)}


def summary(records: list[dict]) -> str:
    """Numbers of outcomes, by form."""
    whats = sorted({r["what"] for r in records}, key=lambda w: (w != "right", w))
    lines = ["| form | " + " | ".join(whats) + " |", "|---" * (len(whats) + 1) + "|"]
    for form in FORMS:
        counts = [sum(r["form"] == form and r["what"] == w for r in records) for w in whats]
        lines.append(f"| {form} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
