# SPDX-License-Identifier: Apache-2.0
"""What the host's calls of boards take where nobody has timed them.

Empty calls of local boards were timed on a Zen 4 whose clock tells 2.6 GHz: the host spends its own
time on waking up and on each board, one after the other; a board's server is at work beside
all others, in so many cycles. Another board's takes as many of its own, which are slower. The
host is taken to be like that one. What the network adds is in the scattering and gathering.

Where they are timed, it is whole inferences that are: one message brings a board its inputs, has it
run and fetches its answers. Scattering and gathering were timed apart, and each has the host's
waking up and the way to the board and back in it. What an inference takes beyond them and its
boards' computing is therefore less than its calls take, and may be less than nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .learned import Learned
from .records import Transfer

#: Seconds of the host for an inference, and for each board.
HOST_WAKE, HOST_CALL = 5e-5, 5.5e-5
#: Cycles of a board's server for a call: 16 us.
BOARD_CYCLES = 42e3
HOST_GHZ = 2.6


@dataclass(frozen=True)
class TimedInference:
    """An inference whose boards do not wait for each other.

    Parameters
    ----------
    boards : int
        How many take part.
    outside : float
        Milliseconds beside its boards' computing, of which none waits for another.
    moved : tuple of Transfer
        Its scattering and gathering.
    """

    boards: int
    outside: float
    moved: tuple[Transfer, ...]


def modelled_calls(ghz: float) -> tuple[float, float]:
    """Seconds of an inference, and of each board that takes part in it.

    Parameters
    ----------
    ghz : float
        Clock of the boards' cores, in 1e9 cycles per second.
    """
    return HOST_WAKE + BOARD_CYCLES / (ghz * 1e9), HOST_CALL


def beyond_transfers(cost: Learned, timed: Sequence[TimedInference]) -> Learned:
    """A cost model whose calls are what inferences take beyond their scattering and gathering.

    Parameters
    ----------
    cost : Learned
        Predicts the scattering and gathering.
    timed : sequence of TimedInference
        Of one board, of two, and of more if there are more.

    Returns
    -------
    cost : Learned
        Its predictions of such inferences are what was measured. Where no more than two boards
        were timed, each further one takes `HOST_CALL`.
    """
    beyond = {
        one.boards: (one.outside - float(cost.exchange(one.moved).sum())) * 1e-3 for one in timed
    }
    alone, most = beyond[1], max(beyond)
    call = (beyond[most] - beyond[2]) / (most - 2) if most > 2 else HOST_CALL
    several = beyond[2] - alone - call if most > 1 else 0.0
    return _with(cost, alone - call, call, several)


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
