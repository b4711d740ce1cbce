# SPDX-License-Identifier: Apache-2.0
"""How many frames a second a deployment answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import repeat

import numpy as np

from .deployment import Deployment

IN_FLIGHT = 4


def frame_rate(
    deployment: Deployment,
    inputs: Mapping[str, np.ndarray],
    frames: int,
    on_board_lost: str = "raise",
    in_flight: int = IN_FLIGHT,
) -> float:
    """Frames a second of a stream of the same frame, from its beginning to the last answer.

    Parameters
    ----------
    deployment : Deployment
        Where it runs.
    inputs : mapping
        The frame.
    frames : int
        How many.
    on_board_lost, in_flight
        As for `Deployment.stream`.
    """
    start = time.perf_counter()
    source = repeat(inputs, frames)
    answered = sum(1 for _ in deployment.stream(source, in_flight, on_board_lost=on_board_lost))
    return answered / (time.perf_counter() - start)
