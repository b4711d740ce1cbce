# SPDX-License-Identifier: Apache-2.0
"""Artifacts for the boards that are left when others are lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..plan import ClusterSpec
from ..plan.model.losses import likeness, remaining, stand_ins
from ..plan.model.plan_file import plan_from_json
from .artifact import Artifact
from .replanner import Replanner


@dataclass(frozen=True)
class Fallback:
    """An artifact for the boards that are left.

    Parameters
    ----------
    artifact : Artifact
        For that many boards.
    ranks : tuple of int
        Which of the whole artifact's boards does each of its ranks.
    """

    artifact: Artifact
    ranks: tuple[int, ...]


def built_ahead(
    artifact: Artifact, ahead: Mapping[str, Artifact], kept: Sequence[int]
) -> Fallback | None:
    """What was built ahead for the boards that are left; None if nothing was.

    Parameters
    ----------
    artifact : Artifact
        For all boards.
    ahead : mapping
        The ranks that an artifact is for, such as ``0-1-2``, -> that artifact.
    kept : sequence of int
        Ranks that are left.
    """
    alike = likeness(_cluster(artifact), artifact.targets)
    for name, fewer in ahead.items():
        ranks = stand_ins(alike, [int(rank) for rank in name.split("-")], kept)
        if ranks is not None:
            return Fallback(fewer, tuple(ranks))
    return None


def build_now(replanner: Replanner, kept: Sequence[int]) -> Fallback:
    """Plan and build the model that an artifact keeps, for the boards that are left.

    Raises
    ------
    InputError
        If it keeps no model.
    """
    planned = replanner.plan(remaining(replanner.cluster, kept), kept)
    return Fallback(replanner.build(planned, kept), tuple(kept))


def _cluster(artifact: Artifact) -> ClusterSpec:
    return plan_from_json(artifact.plan, str(artifact.path / "plan.json")).cluster
