# SPDX-License-Identifier: Apache-2.0
"""``plan.json``: a plan as a file. Versioned, and checked entry by entry when it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ...errors import PlanError
from ...files import json_object, parse_json, read_text
from ...graph import Graph, Layer
from .cluster import ClusterSpec
from .geometry import Geometry
from .memory import activation_peak, weights_of
from .plan import Choice, Plan, chosen_tensors
from .scheme import Split

VERSION = 1
SCHEMES = r"InH|InW|OutC|InC|Single|2D-grid:[0-9]+x[0-9]+"


def save_plan(plan: Plan, graph: Graph, path: str | Path) -> None:
    """Write ``plan.json``, with all regions and exchanges for whoever reads it.

    Parameters
    ----------
    plan : Plan
        The plan.
    graph : Graph
        The layers that it is for.
    path : str or Path
        The file to write.
    """
    Path(path).write_text(json.dumps(plan_to_json(plan, graph), indent=1) + "\n")


def plan_to_json(plan: Plan, graph: Graph) -> dict[str, Any]:
    """The plain data of a plan; regions and exchanges are derived and for reading only.

    Parameters
    ----------
    plan : Plan
        The plan.
    graph : Graph
        The layers that it is for.
    """
    geometry = plan.geometry(graph)
    names = [t.name for t in graph.tensors]
    return {
        "version": VERSION,
        "scheme": plan.scheme,
        "cluster": plan.cluster.to_json(),
        "layers": [
            _layer_json(graph, layer, tensor, plan, geometry)
            for layer in graph.layers
            for tensor in chosen_tensors(graph, layer, plan)
        ],
        "exchanges": [
            {
                "id": e.id,
                "tensor": names[e.tensor],
                "messages": [
                    {"from": m.source, "to": m.target, "region": m.region.to_json()}
                    for m in e.messages
                ],
            }
            for e in geometry.exchanges
        ],
        "memory": [
            {
                "weights": weights_of(graph, geometry, board),
                "activations": activation_peak(graph, geometry, board),
            }
            for board in range(plan.boards)
        ],
        "notes": dict(plan.notes),
    }


def load_plan(path: str | Path) -> Plan:
    """Read ``plan.json``.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    plan : Plan
        Not checked against any model: see `fitted`.

    Raises
    ------
    PlanError
        If the file is missing, not a plan, or of another version.
    """
    return plan_from_json(read_plan_json(path), str(path))


def read_plan_json(path: str | Path) -> Any:
    """The plain data of a plan's file. See `plan_from_json`.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    PlanError
        If the file is missing or not JSON.
    """
    try:
        return parse_json(read_text(path))
    except OSError as error:
        raise PlanError(f"plan '{path}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PlanError(f"plan '{path}' is not JSON: {error}") from None


def plan_from_json(data: Any, path: str) -> Plan:
    """The plan that `plan_to_json` told.

    Whether a plan fits a model is seen when it meets one (`Plan.geometry`).

    Parameters
    ----------
    data : object
        What was read from JSON, of any shape.
    path : str
        For the error message.

    Raises
    ------
    PlanError
        If an entry is missing or makes no sense.
    """
    whole = json_object(data)
    version = whole.get("version") if whole is not None else None
    if whole is None or isinstance(version, bool) or version != VERSION:
        raise PlanError(f"plan '{path}' is not a version {VERSION} plan: make it again")
    try:
        cluster = ClusterSpec.from_json(whole["cluster"])
        choices: dict[str, Choice] = {}
        for entry in whole["layers"]:
            name = entry["tensor"]
            if not isinstance(name, str) or name in choices:
                raise ValueError(f"two entries for tensor {name!r}, or no name")
            choices[name] = _choice(entry, cluster.boards)
        if not isinstance(whole["scheme"], str):
            raise TypeError(f"scheme {whole['scheme']!r}")
        return Plan(cluster, choices, whole["scheme"], dict(whole.get("notes", {})))
    except (
        AttributeError, KeyError, OverflowError, TypeError, ValueError, PlanError
    ) as error:  # fmt: skip
        raise PlanError(f"plan '{path}' is damaged ({error!r}): make it again") from None


def _choice(entry: Mapping[str, Any], boards: int) -> Choice:
    """What a plan says about one tensor; ValueError or TypeError if it makes no sense."""
    mode, scheme = entry["mode"], entry["scheme"]
    if mode not in ("T", "NT"):
        raise ValueError(f"mode {mode!r}")
    if not re.fullmatch(SCHEMES if mode == "T" else f"|{SCHEMES}", scheme):
        raise ValueError(f"scheme {scheme!r}")
    axes, ranks = _whole_numbers(entry["axes"]), _whole_numbers(entry.get("ranks", []))
    cuts = tuple(_whole_numbers(points) for points in entry["cuts"])
    if len(set(axes)) != len(axes) or len(cuts) != len(axes):
        raise ValueError(f"cuts {cuts} of axes {axes}")
    if any(len(points) < 2 or points[0] or list(points) != sorted(points) for points in cuts):
        raise ValueError(f"cuts {cuts}")
    if any(rank >= boards for rank in ranks):
        raise ValueError(f"ranks {ranks} of {boards} boards")
    return Choice(mode, scheme, Split(axes, cuts, ranks))


def _whole_numbers(values: Any) -> tuple[int, ...]:
    numbers = cast("list[Any]", values) if isinstance(values, list) else None
    if numbers is None or any(type(v) is not int or v < 0 for v in numbers):
        raise TypeError(f"{values!r} is no list of whole numbers")
    return tuple(numbers)


def _layer_json(
    graph: Graph, layer: Layer, tensor: int, plan: Plan, geometry: Geometry
) -> dict[str, Any]:
    choice = plan.choices[graph.tensors[tensor].name]
    tiles = geometry.tiles[graph.producer[tensor]]
    return {
        "layer": layer.name,
        "op": graph.ops[layer.anchor].kind,
        "tensor": graph.tensors[tensor].name,
        "shape": list(graph.tensors[tensor].shape),
        "mode": choice.mode,
        "scheme": choice.scheme,
        "axes": list(choice.split.axes),
        "cuts": [list(c) for c in choice.split.cuts],
        "ranks": list(choice.split.ranks),
        "computed": [tile.region.to_json() if tile else None for tile in tiles],
        "held": [r.to_json() for r in geometry.need[tensor]],
    }
