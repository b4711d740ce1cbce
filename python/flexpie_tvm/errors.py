# SPDX-License-Identifier: Apache-2.0
"""Typed errors. Every message names what was wrong and what to do about it."""

from __future__ import annotations


class FlexPieError(Exception):
    """Base of all errors that flexpie_tvm raises on purpose."""


class InputError(FlexPieError, ValueError):
    """What the caller gave cannot be used: a model, a shape, an option."""


class ModelError(InputError):
    """The model cannot be read or is not static."""


class PlanError(InputError):
    """A scheme, split or plan does not fit the model or the cluster."""


class ArtifactError(InputError):
    """An artifact on disk is damaged, incomplete or of another version."""


class CostError(InputError):
    """A trace store or a cost model on disk is damaged, foreign or of another version."""


class ClusterError(FlexPieError, RuntimeError):
    """Boards or their tracker cannot be reached, or there are too few."""


class ToolError(FlexPieError, RuntimeError):
    """A program or package of the lab is missing, or failed."""


class ClosedError(FlexPieError, RuntimeError):
    """A deployment was closed; there is nothing left to run."""


class BoardError(FlexPieError, RuntimeError):
    """A board failed while it ran.

    Parameters
    ----------
    message : str
        What is shown to the user.
    board, peer, exchange
        As the attributes.

    Attributes
    ----------
    board : int
        Rank of the board that reported the failure.
    peer : int or None
        Rank of the board that it was talking to.
    exchange : int or None
        Exchange at which it happened.
    """

    def __init__(
        self,
        message: str,
        board: int,
        peer: int | None = None,
        exchange: int | None = None,
    ):
        super().__init__(message)
        self.board, self.peer, self.exchange = board, peer, exchange


class BoardLost(BoardError):
    """A board went away: its connection was closed, its server ended, or it does not answer."""


class BoardTimeout(BoardError):
    """A board is slow: it did not answer another within its deadline, but it does answer."""


class LinkLost(BoardError):
    """A link is cut: two boards do not reach each other, and the host reaches both.

    The host is at the other end of the link if ``peer`` is None: it reaches no board at all.
    """


class BoardDesync(BoardError):
    """Two boards disagree about which exchange they are in."""


class BoardDamaged(BoardError):
    """What a board sent is not what arrived: a checksum differs."""


class BoardUntrusted(BoardError):
    """An end of an encrypted link has no key, another key, or cannot use it."""


class EngineError(FlexPieError, RuntimeError):
    """Another engine is not on a board, or cannot run a model there."""


class VerifyError(FlexPieError):
    """Partitioned answers differ from one board's beyond the tolerance."""
