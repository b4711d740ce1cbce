# SPDX-License-Identifier: Apache-2.0
"""What a search may do, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model.plan import Choice
from ..model.scheme import Split
from .candidates import Candidates, Shares
from .objective import Objective


@dataclass(frozen=True)
class SearchSpace:
    """What a search may do.

    Parameters
    ----------
    candidates : mapping
        Tensor id -> ways to own it.
    fuse : bool
        Whether mode NT is allowed.
    objective : Objective
        What is minimised.
    limit : float
        Cost of a plan that is known; dearer states are dropped.
    width : int
        Most states to keep after a layer; 0 means all.
    likely : mapping
        Tensor id -> number of the way that a good plan owns it; guides the beam.
    shares : mapping
        Tensor id -> ways to share the input behind it, where it may be made of partial
        results.
    memory : tuple of int
        Bytes of each board; states with more live activations are dropped. Empty: no limit.
    """

    candidates: Candidates
    fuse: bool = True
    objective: Objective = field(default_factory=Objective)
    limit: float = float("inf")
    width: int = 0
    likely: Mapping[int, int] = field(default_factory=dict[int, int])
    shares: Shares = field(default_factory=dict[int, tuple[Split, ...]])
    memory: tuple[int, ...] = ()


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Parameters
    ----------
    cost : float
        Cost of the best plan; infinite if every plan is above the limit.
    choices : dict
        Tensor id -> Choice.
    states : int
        States kept, over all layers.
    widest : int
        Most states after one layer.
    bound : float
        No plan is cheaper than this; equal to ``cost`` if the search was exact.
    """

    cost: float
    choices: dict[int, Choice]
    states: int
    widest: int
    bound: float

    @property
    def exact(self) -> bool:
        """True if no cheaper plan exists."""
        return self.bound >= self.cost
