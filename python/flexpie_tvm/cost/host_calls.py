# SPDX-License-Identifier: Apache-2.0
"""What the host's calls of boards take where nobody has timed them.

Empty calls of local boards were timed on a Zen 4 whose clock tells 2.6 GHz: the host spends its own
time on waking up and on each board, one after the other; a board's server is at work beside
all others, in so many cycles. Another board's takes as many of its own, which are slower. The
host is taken to be like that one. What the network adds is in the scattering and gathering.
"""

from __future__ import annotations

from dataclasses import replace

from .learned import Learned

#: Seconds of the host for an inference, and for each board.
HOST_WAKE, HOST_CALL = 5e-5, 5.5e-5
#: Cycles of a board's server for a call: 16 us.
BOARD_CYCLES = 42e3
HOST_GHZ = 2.6


def modelled_calls(ghz: float) -> tuple[float, float]:
    """Seconds of an inference, and of each board that takes part in it.

    Parameters
    ----------
    ghz : float
        Clock of the boards' cores, in 1e9 cycles per second.
    """
    return HOST_WAKE + BOARD_CYCLES / (ghz * 1e9), HOST_CALL


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
    priced = replace(figures, wake=wake, call=call)
    return Learned(cost.tiles, cost.transfers, priced, cost.origin, cost.unit, cost.corrections)
