#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All node cases of the onnx package's backend suite, cut in every way; counts.

A run can be stopped and started again: what is in the results file is not done again.
`onnx_report.py` makes a page of the results.

    python benchmarks/onnx_cases.py --results onnx_cases.jsonl
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from flexpie_tvm.errors import ModelError
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.onnx_cases import case_names, load_case
from flexpie_tvm.testing.onnx_checks import NotCompiled, check_case


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", help="names; all by default")
    parser.add_argument("--results", type=Path, default=Path("onnx_cases.jsonl"))
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.is_file() else []
    records = {r["name"]: r for r in map(json.loads, lines)}
    evaluator, target = Evaluator(), host_target()
    with options.results.open("a") as results:
        for name in options.cases or case_names():
            if name not in records:
                records[name] = {"name": name, **measure(name, target, evaluator)}
                print(json.dumps(records[name]), file=results, flush=True)
    counts = Counter(r["section"] for r in records.values())
    print(", ".join(f"{count} {section}" for section, count in counts.most_common()))
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


if __name__ == "__main__":
    sys.exit(main())
