# SPDX-License-Identifier: Apache-2.0
"""The table of operators and the axes along which they are cut, for the documentation.

Run ``python -m flexpie_tvm.testing.operators docs/operators.md`` to write it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ..rules.table import FAMILIES

HEADER = """# Operators and the axes along which they are cut

Every operator of Relay runs; those below are also cut. `T` in a plan may cut any axis of any
tensor: on an axis that is not listed here, a board computes more than it owns. An operator
that is not in this table needs its whole inputs and gives its whole output.

Pointwise operators join the layer of the operator before them. This page is made by
`python -m flexpie_tvm.testing.operators docs/operators.md`.
"""


def table() -> str:
    """The page, from the rules themselves."""
    lines = [HEADER]
    for family in FAMILIES:
        title = family.__name__.rsplit(".", 1)[-1]
        lines += [f"## {title}", "", _sentence(family.__doc__), ""]
        lines += ["| operators | cut along |", "|---|---|"]
        lines += [f"| {', '.join(kinds)} | {text} |" for kinds, text in _rows(family.RULES)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _rows(rules: dict) -> Iterator[tuple[list[str], str]]:
    """Operators of one rule, and the first sentence of what the rule says about itself."""
    groups: dict[str, list[str]] = {}
    for kind, rule in rules.items():
        groups.setdefault(_sentence(type(rule).__doc__), []).append(f"`{kind}`")
    for text, kinds in groups.items():
        yield sorted(kinds), text


def _sentence(doc: str) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join(doc.strip().split("\n\n")[0].split())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(table())
