# SPDX-License-Identifier: Apache-2.0
"""The artifact that a command is given instead of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError, PlanError
from ..runtime import Artifact, is_artifact, load_artifact
from .options import PlanOptions


def open_artifact(model: Path, options: PlanOptions, trust: Sequence[Path] = ()) -> Artifact | None:
    """The artifact that was given; None if it is no artifact.

    Parameters
    ----------
    model : Path
        What the command line says.
    options : PlanOptions
        How to cut the model; for an artifact that is done.
    trust : sequence of Path
        Public keys, one of which must have signed the artifact.

    Raises
    ------
    ArtifactError
        As `load_artifact`.
    InputError
        If keys are given for what is no artifact.
    PlanError
        If options ask for what the artifact is not.
    """
    if not is_artifact(model):
        if trust:
            raise InputError(f"'{model}' is no artifact, and only those are signed")
        return None
    artifact = load_artifact(model, trust)
    if options.boards not in (None, artifact.boards):
        raise PlanError(f"artifact '{model}' is for {artifact.boards} boards, not {options.boards}")
    idle = [name for name in options.given if name != "--boards"]
    if idle:
        raise PlanError(
            f"artifact '{model}' is planned and compiled already: leave out {', '.join(idle)}"
        )
    return artifact
