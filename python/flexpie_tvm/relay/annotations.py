# SPDX-License-Identifier: Apache-2.0
"""What an annotated module says of its plan beside the layers' own annotations."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import tvm

from ..errors import PlanError
from ..plan import Choice, ClusterSpec, Plan

#: What stands for itself within a string of `to_text`: all of ASCII but quotes, backslash, percent.
PLAIN = "".join(c for c in string.printable[:95] if c not in "\"'\\%")


def plan_attrs(plan: Plan) -> dict[str, object]:
    """Function attributes for what no single layer says.

    Their names have no dots: TVM's parser stops at one in the first attribute of a function.
    """
    return {
        "flexpie_boards": plan.boards,
        "flexpie_scheme": plan.scheme,
        "flexpie_cluster": to_text(plan.cluster.to_json()),
        "flexpie_notes": to_text(dict(plan.notes)),
    }


def plan_of(main: tvm.relay.Function, choices: dict[str, Choice]) -> Plan:
    """The plan of an annotated function, from its attributes and its layers' choices.

    Raises
    ------
    PlanError
        If the function is not annotated.
    """
    attrs = {} if main.attrs is None else {key: main.attrs[key] for key in main.attrs.keys()}
    if "flexpie_boards" not in attrs:
        raise PlanError("the module is not annotated: run FlexPiePartition() on it first")
    cluster = ClusterSpec(int(attrs["flexpie_boards"]))
    if "flexpie_cluster" in attrs:
        cluster = ClusterSpec.from_json(from_text(str(attrs["flexpie_cluster"])))
    notes = from_text(str(attrs["flexpie_notes"])) if "flexpie_notes" in attrs else {}
    return Plan(cluster, choices, str(attrs["flexpie_scheme"]), notes)


def to_text(data: Any) -> str:
    """JSON in single quotes, which TVM's parser reads back: it knows no escapes in a string."""
    return json.dumps(_strings(data, lambda text: quote(text, safe=PLAIN))).replace('"', "'")


def from_text(text: str) -> Any:
    """Inverse of `to_text`."""
    return _strings(json.loads(text.replace("'", '"')), unquote)


def _strings(data: Any, change: Callable[[str], str]) -> Any:
    """Plain data with every string in it changed."""
    if isinstance(data, str):
        return change(data)
    if isinstance(data, dict):
        return {change(str(key)): _strings(value, change) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_strings(value, change) for value in data]
    return data
