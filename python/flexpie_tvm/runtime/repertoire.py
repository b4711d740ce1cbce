# SPDX-License-Identifier: Apache-2.0
"""What there is to run, for whichever boards are left and as they are now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from .artifact import Artifact, load_artifact
from .fallback import Fallback, build_now, built_ahead
from .replanner import Replanner

LOGGER = logging.getLogger(f"{__package__}.recovery")  # one for all that happens to boards


class Repertoire:
    """Artifacts for the boards that are left: the whole one, and those for fewer.

    Parameters
    ----------
    artifact : Artifact
        For all boards.
    replanner : Replanner
        Makes what was not built ahead.

    Attributes
    ----------
    present : Fallback
        What is deployed.
    """

    def __init__(self, artifact: Artifact, replanner: Replanner):
        self._artifact, self._replanner = artifact, replanner
        self._ahead: dict[str, Artifact] | None = None
        self.present = Fallback(artifact, tuple(range(artifact.boards)))
        self._usual = {self.present.ranks: self.present}
        self._better: dict[tuple[int, ...], Fallback] = {}
        self._offered: tuple[Fallback, Fallback] | None = None

    def load(self) -> None:
        """Read and check the files of fallbacks now, not when it matters."""
        if self._ahead is None:
            folders = self._artifact.fallbacks
            self._ahead = {folder.name: load_artifact(folder) for folder in folders}

    def best(self, kept: Sequence[int]) -> Fallback:
        """What the boards that are left run as they are now; planned and built if need be.

        Raises
        ------
        InputError
            If there is nothing for so few boards, and no model to build it from.
        """
        key = tuple(kept)
        return self._better.get(key) or self._for(key)

    def usual(self) -> Fallback:
        """What the boards of the present one run when none is slower than planned."""
        return self._usual[tuple(sorted(self.present.ranks))]

    def _for(self, key: tuple[int, ...]) -> Fallback:
        if key not in self._usual:
            ahead = built_ahead(self._artifact, self._ahead or {}, key)
            if ahead is None:
                LOGGER.warning("planning and compiling for the %d boards that are left", len(key))
                ahead = build_now(self._replanner, key)
            self._usual[key] = ahead
        return self._usual[key]

    def after_a_loss(self) -> dict[int, list[Path]]:
        """Files of what was built ahead that the present boards would run if any one were lost.

        Returns
        -------
        files : dict
            Of each rank of the whole artifact that is present, its libraries, each once.
        """
        kept = sorted(self.present.ranks)
        files: dict[int, list[Path]] = {rank: [] for rank in kept}
        for lost in kept:
            left = tuple(rank for rank in kept if rank != lost)
            found = self._usual.get(left) or built_ahead(self._artifact, self._ahead or {}, left)
            for place, rank in enumerate(found.ranks if found else ()):
                library = found.artifact.library(place)
                if library not in files[rank]:
                    files[rank].append(library)
        return files

    def offer(self, better: Fallback, than: Fallback) -> bool:
        """Propose something to run instead of what was deployed when it was made.

        Returns
        -------
        fits : bool
            False if something else is deployed by now.
        """
        self._offered = better, than
        return self.present is than

    @property
    def is_offered(self) -> bool:
        """Whether something waits to be taken."""
        return self._offered is not None

    def take(self) -> bool:
        """Make what was offered the best for its boards; False if it does not fit any more."""
        offered, self._offered = self._offered, None
        if offered is None or offered[1] is not self.present:
            return False
        better, _ = offered
        self._better[tuple(sorted(better.ranks))] = better
        return True

    def go_back(self, former: Fallback) -> None:
        """Make what was deployed before the best for its boards again."""
        self._better[tuple(sorted(former.ranks))] = former

    def forget(self) -> None:
        """Boards are others now, and what was best for those before may not be."""
        self._better, self._offered = {}, None
