# SPDX-License-Identifier: Apache-2.0
"""One traced inference of a way of partitioning, beside the predicted one, in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ...explain import save_picture, save_trace
from ...plan import Timeline
from ...runtime import Deployment


def trace(deployment: Deployment, inputs: Mapping[str, np.ndarray]) -> Timeline:
    """When every board did what in one inference, after one that warms it up."""
    for _ in range(2):
        deployment.run(inputs)
    return deployment.timeline()


def save_timelines(measured: Timeline, predicted: Timeline, stems: Iterable[Path]) -> None:
    """Write ``.json`` (a Chrome trace) and ``.png`` for every stem."""
    both = {"measured": measured, "predicted": predicted}
    for stem in stems:
        stem.parent.mkdir(parents=True, exist_ok=True)
        # not with_suffix: names may have dots
        save_trace(both, stem.with_name(f"{stem.name}.json"))
        save_picture(both, stem.with_name(f"{stem.name}.png"))


def timeline_stem(folder: Path, case: str, way: str) -> Path:
    """Where a way's timeline of a case is kept, without suffix."""
    return folder / "timelines" / f"{case}-{way.replace(':', '-')}"
