#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of every operator of the ONNX suite: a page of two benchmarks' results.

python benchmarks/onnx_report.py --whole whole.jsonl --cut cut.jsonl --report docs/onnx_cases.md
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

FORMS = ("frozen", "varying")
WHATS = {
    "right": "right", "engine": "onnxruntime's", "random": "random", "refused": "refused",
    "wrong": "wrong", "uncompiled": "not compiled", "crashed": "crashed",
}  # fmt: skip
#: Outcomes that have a column of the table of operators.
COLUMNS = ("right", "engine", "refused")
#: What a message says -> the kind of reason that it is.
REASONS = {
    r"of type float8": "numbers of 8 bits that are no integers",
    r"of type u?int4": "integers of 4 bits",
    r"of type string": "texts",
    r"of type bfloat16|numbers for bfloat16": "bfloat16: the suite's own numbers are other ones",
    r"is not a tensor": "sequences and optional values",
    r"without elements": "tensors without elements",
    r"must be (a )?constants?, but": "a parameter that depends on data",
    r"Loop|Scan|If ": "branches or loops that depend on data",
    r"of its result depends|of results depends|1D Unique": "a size that depends on data",
    r"operator is not known": "neither TVM nor we know it",
    r"results are random": "random results",
    r"than to engines": "other numbers to the standard or its suite than to engines",
}
#: What became of the cases that were cut over boards.
CUT = {
    "passed": "cut along at least one axis; every plan gives the suite's answers",
    "uncut": "the suite's answers, but nothing to cut: too small, or no rule",
    "whole": "one board's answers are random, onnxruntime's, bfloat16 (the suite's are other ones) "
    "or as far from the suite's as rounding takes them; cut models give the same",
    "wrong": "a plan gives other answers than one board and the suite",
    "uncompiled": "imported, but not compiled",
    "crashed": "an error on the way",
    "refused": "not imported, for the reasons below",
}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--whole", type=Path, required=True, help="results of onnx_whole.py")
    parser.add_argument("--cut", type=Path, required=True, help="results of onnx_cases.py")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    text = page(read(options.whole), read(options.cut))
    print(text)
    if options.report:
        options.report.write_text(text)
    return 0


def read(path: Path) -> list[dict]:
    """Records of a results file; of two about one case the later one counts."""
    records = map(json.loads, path.read_text().splitlines())
    return list({(r["name"], r.get("form", "")): r for r in records}.values())


def page(whole: list[dict], cut: list[dict]) -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [
            *introduction(whole),
            *by_opset(whole),
            *by_operator(whole),
            *by_reason(whole),
            *others(whole),
            *over_boards(cut),
            "",
        ]
    )


def introduction(whole: list[dict]) -> list[str]:
    """What the page is about."""
    cases = len({r["name"] for r in whole})
    return f"""# The ONNX standard's suite

All {cases} node cases of the onnx package's suite on one board, and cut over several, where
functions are also tried as the standard writes them out. Made by `benchmarks/onnx_report.py` of
what `benchmarks/onnx_whole.py` (one board) and `benchmarks/onnx_cases.py` (boards) found.

A case is tried in two forms. *Frozen*: small inputs behind the first, and all that only say how
large a result is, are weights of the model, as they are in most files. *Varying*: all inputs vary,
and what needs their values to know a shape is refused. *Right* is within the suite's tolerance of
the suite's answers; *onnxruntime's* are within it of onnxruntime's, where the suite's are other
ones ([onnx.md](onnx.md) says why). Nothing is skipped.""".splitlines()


def by_opset(whole: list[dict]) -> list[str]:
    """Numbers of outcomes for each opset and form."""
    found = [what for what in WHATS if any(r["what"] == what for r in whole)]
    found += ["wrong"] * ("wrong" not in found)
    heads = [f"{form}: {WHATS[what]}" for form in FORMS for what in found]
    lines = ["", "## By opset", "", *_head("opset", *heads)]
    for opset in sorted({r["opset"] for r in whole}):
        own = [r for r in whole if r["opset"] == opset]
        lines.append(_row(str(opset), *_counts(own, found)))
    return [*lines, _row("all", *_counts(whole, found))]


def _counts(records: list[dict], whats: Iterable[str]) -> list[str]:
    counts = Counter((r["form"], r["what"]) for r in records)
    return [str(counts[form, what]) for form in FORMS for what in whats]


def by_operator(whole: list[dict]) -> list[str]:
    """The table of operators."""
    lines = ["", "## By operator", "", "Frozen form; onnxruntime's answers count as right.", ""]
    lines += _head("operator", "opsets", "right", "refused", "why")
    operators = defaultdict(list)
    for record in whole:
        if record["form"] == "frozen":
            operators[record["operator"]].append(record)
    for operator, found in sorted(operators.items()):
        opsets = ", ".join(map(str, sorted({r["opset"] for r in found})))
        right = sum(r["what"] in ("right", "engine") for r in found)
        refused = [r for r in found if r["what"] == "refused"]
        rest = Counter(WHATS[r["what"]] for r in found if r["what"] not in COLUMNS)
        why = [reason(r["why"]) for r in refused]
        said = [f"{what} ({n})" for what, n in rest.items()] + _numbered(why)
        lines.append(_row(operator, opsets, str(right), str(len(refused) or ""), "; ".join(said)))
    return lines


def by_reason(whole: list[dict]) -> list[str]:
    """How often each kind of reason refuses a case, in either form."""
    lines = ["", "## Why cases are refused", "", *_head("reason", *FORMS)]
    counts = Counter((reason(r["why"]), r["form"]) for r in whole if r["what"] == "refused")
    kinds = {kind: counts[kind, "frozen"] for kind, _ in counts}
    for kind in sorted(kinds, key=lambda kind: (-kinds[kind], kind)):
        lines.append(_row(kind, *(str(counts[kind, form]) for form in FORMS)))
    return lines


def reason(why: str) -> str:
    """The kind of reason that a message gives; without the names of nodes and tensors else."""
    for pattern, kind in REASONS.items():
        if re.search(pattern, why):
            return kind
    plain = re.sub(r"^\w+ '[^']*'( cannot be converted)?: |'[^']*' ", "", why)
    return plain[:120].replace("|", "/")


def others(whole: list[dict]) -> list[str]:
    """Cases whose answers are not the suite's, one by one."""
    lines = ["", "## Answers that are not the suite's", ""]
    for what in ("engine", "random", "wrong", "uncompiled", "crashed"):
        own = [r for r in whole if r["what"] == what]
        for name in dict.fromkeys(r["name"] for r in own):
            why = next(r["why"] for r in own if r["name"] == name)
            lines.append(f"* {name.removeprefix('test_')}: {why[:120]}")
    return lines


def over_boards(cut: list[dict]) -> list[str]:
    """What became of the cases over several boards."""
    plans = sum(r.get("plans", 0) for r in cut)
    lines = f"""
## Cut over boards

{len(cut)} cases, functions also written out as the standard defines them, as imported and
pre-optimized, under plans that cut each axis in turn, plans of partial results and random plans, on
2, 3 and 4 emulated boards: {plans} plans.

""".splitlines()
    lines += _head("outcome", "cases", "meaning")
    counts = Counter(r["section"] for r in cut)
    return [*lines, *(_row(what, str(counts[what]), said) for what, said in CUT.items())]


def _numbered(texts: list[str]) -> list[str]:
    counts = Counter(texts)
    return [text if len(counts) == 1 else f"{text} ({n})" for text, n in counts.items()]


def _head(*cells: str) -> list[str]:
    return [_row(*cells), "|---" * len(cells) + "|"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
