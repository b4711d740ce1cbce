# SPDX-License-Identifier: Apache-2.0
"""The interface between planners and cost models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .records import Links, Setting, TileWork, Transfer


class Cost:
    """Predicts milliseconds; base of all cost models.

    A planner asks in batches and may ask for the same record twice. Records without work
    (no bytes at all) are never asked about: they cost nothing.

    Attributes
    ----------
    name : str
        Shown with every prediction, so that a reader knows where it comes from.
    monotone : bool
        True if a tile of a larger region, or a transfer that contains another, never costs
        less, or only by the little that sizes fit a kernel better or worse. A planner may
        then drop plans that should not win: searches are many times faster.
    proves : bool
        False if `monotone` has exceptions: what a search finds then is likely the best, not
        proven to be.
    per_layer : bool
        True if records must carry names of layers and tensors (tables written by hand).
    """

    name = "cost"
    monotone = False
    proves = True
    per_layer = False

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Where its times were taken; none for what was not learned."""
        return ()

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile on its board.

        Parameters
        ----------
        tiles : sequence of TileWork
            Of any layers and boards.

        Returns
        -------
        ms : numpy.ndarray
            float64 of shape ``(len(tiles),)``.
        """
        raise NotImplementedError

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer, from the first byte to the last.

        Parameters
        ----------
        transfers : sequence of Transfer
            Each one exchange between all boards, or the host's scatter or gather.

        Returns
        -------
        ms : numpy.ndarray
            float64 of shape ``(len(transfers),)``.
        """
        raise NotImplementedError

    def calls(self, boards: int) -> float:
        """Milliseconds of one inference on so many boards, whatever they compute.

        The host wakes up and calls each of them.

        Parameters
        ----------
        boards : int
            How many the host calls.
        """
        return 0.0

    def floor(self, whole: TileWork, speeds: Sequence[float]) -> float:
        """A time below which no cut of a layer over boards of these speeds can come.

        Boards that do a share of the layer must take that share of it, at least. Zero where
        nothing is known; used to report how far a plan can be from the best.

        Parameters
        ----------
        whole : TileWork
            The layer on one board of speed 1.
        speeds : sequence of float
            Relative speeds of the boards.

        Returns
        -------
        ms : float
            Milliseconds.
        """
        return 0.0

    def floor_of_kinds(
        self, whole: TileWork, speeds: Sequence[float], kinds: Sequence[str]
    ) -> float:
        """The same for boards of several kinds, of which most models know nothing.

        Parameters
        ----------
        whole, speeds
            As of `floor`.
        kinds : sequence of str
            Each board's kind, as ``board_kind`` of a `TileWork`.
        """
        return self.floor(whole, speeds)

    def host_floor(self, nbytes: float, links: Links) -> float:
        """A time below which so many bytes never get from the host to boards or back.

        Parameters
        ----------
        nbytes : float
            Bytes of all boards together.
        links : Links
            The network.

        Returns
        -------
        ms : float
            Milliseconds.
        """
        return 0.0


class PerKind(Cost):
    """One cost model per kind of board.

    Parameters
    ----------
    models : mapping of str to Cost
        Board kind -> model of its tiles.
    network : Cost
        Model of transfers, and of tiles of any other kind.
    """

    def __init__(self, models: dict[str, Cost], network: Cost):
        self._models, self._network = dict(models), network
        everyone = [*self._models.values(), network]
        self.name = "+".join(dict.fromkeys(model.name for model in everyone))
        self.monotone = all(model.monotone for model in everyone)
        self.proves = all(model.proves for model in everyone)
        self.per_layer = any(model.per_layer for model in everyone)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Of all its models."""
        everyone = [*self._models.values(), self._network]
        return tuple(dict.fromkeys(s for model in everyone for s in model.settings))

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile, by the model of its board."""
        times = np.zeros(len(tiles))
        groups: dict[str, list[int]] = {}
        for index, tile in enumerate(tiles):
            kind = tile.board_kind if tile.board_kind in self._models else ""
            groups.setdefault(kind, []).append(index)
        for kind, indices in groups.items():
            model = self._models.get(kind, self._network)
            times[indices] = model.compute([tiles[i] for i in indices])
        return times

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer."""
        return self._network.exchange(transfers)

    def calls(self, boards: int) -> float:
        """What calls take by the model of transfers."""
        return self._network.calls(boards)

    def floor(self, whole: TileWork, speeds: Sequence[float]) -> float:
        """The floor by the model of the one kind that ``whole`` is for."""
        return self._models.get(whole.board_kind, self._network).floor(whole, speeds)

    def floor_of_kinds(
        self, whole: TileWork, speeds: Sequence[float], kinds: Sequence[str]
    ) -> float:
        """The layer shared among the kinds so that all of them end at once."""
        groups: dict[str, list[float]] = {}
        for speed, kind in zip(speeds, kinds, strict=True):
            groups.setdefault(kind if kind in self._models else "", []).append(speed)
        alone = [
            self._models.get(kind, self._network).floor(whole, group)
            for kind, group in groups.items()
        ]
        return 1 / sum(1 / time for time in alone) if min(alone) > 0 else 0.0

    def host_floor(self, nbytes: float, links: Links) -> float:
        """The host's floor by the model of transfers."""
        return self._network.host_floor(nbytes, links)
