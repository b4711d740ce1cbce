# SPDX-License-Identifier: Apache-2.0
"""What an annotated module says of its plan beside the layers' own annotations."""

from __future__ import annotations

import json

import tvm

from ..errors import PlanError
from ..plan import Choice, ClusterSpec, Plan


def plan_attrs(plan: Plan) -> dict[str, object]:
    """Function attributes for what no single layer says."""
    return {
        "flexpie.boards": plan.boards,
        "flexpie.scheme": plan.scheme,
        "flexpie.cluster": json.dumps(plan.cluster.to_json()),
        "flexpie.notes": json.dumps(dict(plan.notes)),
    }


def plan_of(main: tvm.relay.Function, choices: dict[str, Choice]) -> Plan:
    """The plan of an annotated function, from its attributes and its layers' choices.

    Raises
    ------
    PlanError
        If the function is not annotated.
    """
    attrs = {} if main.attrs is None else {key: main.attrs[key] for key in main.attrs.keys()}
    if "flexpie.boards" not in attrs:
        raise PlanError("the module is not annotated: run FlexPiePartition() on it first")
    cluster = ClusterSpec(int(attrs["flexpie.boards"]))
    if "flexpie.cluster" in attrs:
        cluster = ClusterSpec.from_json(json.loads(str(attrs["flexpie.cluster"])))
    notes = json.loads(str(attrs["flexpie.notes"])) if "flexpie.notes" in attrs else {}
    return Plan(cluster, choices, str(attrs["flexpie.scheme"]), notes)
