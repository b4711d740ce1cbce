# SPDX-License-Identifier: Apache-2.0
"""What the host's calls of boards take where nobody has timed them.

Empty calls of local boards were timed on a Zen 4 whose clock tells 2.6 GHz: the host spends its own
time on waking up and on each board, one after the other; a board's server is at work beside
all others, in so many cycles. Another board's takes as many of its own, which are slower. The
host is taken to be like that one. What the network adds is in the scattering and gathering.

Where they are timed, it is a whole inference of nothing that is: one message brings a board its
inputs, has it run and fetches its answers. Scattering and gathering were timed apart, and each
has the host's waking up and the way to the board and back in it. What an inference takes beyond
them is therefore less than its calls take, and may be less than nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .learned import Learned
from .records import Links, Transfer

#: Seconds of the host for an inference, and for each board.
HOST_WAKE, HOST_CALL = 5e-5, 5.5e-5
#: Cycles of a board's server for a call: 16 us.
BOARD_CYCLES = 42e3
HOST_GHZ = 2.6
#: Bytes to and from each board of an inference of nothing.
NOTHING = 4
#: Seconds that a model's inference takes longer than one of nothing and its boards' own time
#: together: of one board, and of several, which begin one after the other and keep cores busy
#: while the host calls. On two cores of a Zen 4 it was .33 ms for one board instead of .2, and
#: .52 to .55 for two instead of .27.
BUSY_ALONE, BUSY = 1.3e-4, 2.7e-4


def modelled_calls(ghz: float) -> tuple[float, float]:
    """Seconds of an inference, and of each board that takes part in it.

    Parameters
    ----------
    ghz : float
        Clock of the boards' cores, in 1e9 cycles per second.
    """
    return HOST_WAKE + BOARD_CYCLES / (ghz * 1e9), HOST_CALL


def beyond_transfers(cost: Learned, links: Links, measured: Mapping[int, float]) -> Learned:
    """A cost model whose calls are what inferences take beyond their scattering and gathering.

    Parameters
    ----------
    cost : Learned
        Predicts the scattering and gathering.
    links : Links
        Of the boards that were called.
    measured : mapping
        How many of the boards took part -> seconds of an inference of nothing; for one and for
        all of them.

    Returns
    -------
    cost : Learned
        Its predictions of such inferences are what was measured, and what a model's take more.
    """
    boards = len(links.bandwidth)
    beyond: dict[int, float] = {}
    for count, seconds in measured.items():
        sent = np.where(np.arange(boards) < count, NOTHING, 0)
        runs = (sent > 0).astype(int)
        moved = [
            Transfer("scatter", sent[None], runs[None], links),
            Transfer("gather", sent[:, None], runs[:, None], links),
        ]
        beyond[count] = seconds - float(cost.exchange(moved).sum()) * 1e-3
    fewest, most = min(beyond), max(beyond)
    call = (beyond[most] - beyond[fewest]) / max(1, most - fewest)
    return _with(cost, beyond[fewest] - call * fewest + BUSY_ALONE, call, BUSY - BUSY_ALONE)


def with_calls(cost: Learned, ghz: float = HOST_GHZ) -> Learned:
    """A cost model that prices calls: as it was measured, else as they are modelled.

    Parameters
    ----------
    cost : Learned
        As it comes with the package.
    ghz : float
        Clock of the boards' cores; by default of those that calls were timed of.
    """
    figures = cost.figures
    if figures.wake or figures.call:
        return cost
    wake, call = modelled_calls(ghz)
    return _with(cost, wake, call)


def _with(cost: Learned, wake: float, call: float, several: float = 0.0) -> Learned:
    priced = replace(cost.figures, wake=wake, call=call, several=several)
    return Learned(cost.tiles, cost.transfers, priced, cost.origin, cost.unit, cost.corrections)
