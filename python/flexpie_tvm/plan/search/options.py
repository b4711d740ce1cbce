# SPDX-License-Identifier: Apache-2.0
"""What a search may choose for one layer, and what it means for the plan.

A layer's choice is a way for each of its results, and perhaps a share: then the anchor makes
partial results of the boards' shares of its input, and an exchange combines what each board
needs of them. If the anchor's output is itself the layer's result, that exchange is all there
is; otherwise the result behind it is owned (T) or made where it is needed (NT) as ever.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import NamedTuple

from ...graph import Graph, Layer
from ..model.plan import Choice
from ..model.scheme import Split
from .space import SearchSpace

NT = -1
MOST_OPTIONS = 4096  # combinations of choices for the results of one layer


class Option(NamedTuple):
    """A way (number of a candidate, or `NT`) per result, and the share of partial results."""

    ways: tuple[int, ...]
    share: Split | None = None


def layer_options(graph: Graph, layer: Layer, space: SearchSpace) -> tuple[list[Option], bool]:
    """Options of a layer, and whether these are all that there are."""
    per_output: list[list[int]] = []
    for tensor in layer.outputs:
        ways = list(range(len(space.candidates[tensor])))
        fuse = space.fuse and tensor not in graph.outputs
        per_output.append([*ways, NT] if fuse else ways)
    if prod(len(ways) for ways in per_output) > MOST_OPTIONS:
        # Too many results for every combination: all of them alike, as far as they can be.
        longest = max(len(ways) for ways in per_output)
        alike = [tuple(w[min(k, len(w) - 1)] for w in per_output) for k in range(longest)]
        return [Option(ways) for ways in dict.fromkeys(alike)], False
    options = [Option(ways) for ways in product(*per_output)]
    made = graph.ops[layer.anchor].outputs[0]
    behind = [Option((NT,))] if made in layer.outputs else options
    shares = space.shares.get(made, ())
    return [*options, *(Option(o.ways, share) for share in shares for o in behind)], True


def choices_of(graph: Graph, layer: Layer, option: Option, space: SearchSpace) -> dict[int, Choice]:
    """What a plan says about a layer's tensors if an option is taken."""
    choices: dict[int, Choice] = {}
    for tensor, way in zip(layer.outputs, option.ways, strict=True):
        if way == NT:
            choices[tensor] = Choice("NT")
        else:
            candidate = space.candidates[tensor][way]
            choices[tensor] = Choice("T", candidate.scheme, candidate.split)
    if option.share is not None:
        made = graph.ops[layer.anchor].outputs[0]
        choices[made] = Choice("T", "InC", option.share)
    return choices
