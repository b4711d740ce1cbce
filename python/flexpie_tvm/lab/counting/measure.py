# SPDX-License-Identifier: Apache-2.0
"""Count one network with several engines, and over several boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ...errors import FlexPieError
from ...runtime import relative_error
from .builds import ENGINES, boards_of
from .cpus import CountedCpu
from .cycles import MODELS
from .guest import Job, count
from .profile import CodeCost, Kernel, profile_of
from .subject import CountedNetwork

WHOLE = "Single"


@dataclass(frozen=True)
class Inference:
    """What one engine needs for one inference.

    Parameters
    ----------
    total : CodeCost
        Of everything.
    kernels : tuple of Kernel
        Its hottest ones, the hottest first.
    error : float
        Largest difference of its answers from onnxruntime's on this machine, relative to their
        range.
    """

    total: CodeCost
    kernels: tuple[Kernel, ...]
    error: float


@dataclass(frozen=True)
class NetworkCounts:
    """All figures of one network on one processor.

    Parameters
    ----------
    network, cpu : str
        Their names.
    multiply_accumulates : int
        Of convolutions and matrix products, computed plainly.
    engines : mapping
        Engine -> its inference.
    refused : mapping
        Engine -> why it cannot run the network.
    tiles : mapping
        Scheme -> instructions of every board's kernels; ``Single`` has those of one board that
        computes all.
    """

    network: str
    cpu: str
    multiply_accumulates: int
    engines: Mapping[str, Inference] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    tiles: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def to_json(self) -> dict:
        """Plain data."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict) -> NetworkCounts:
        """Inverse of `to_json`."""
        engines = {name: _inference(part) for name, part in data["engines"].items()}
        return NetworkCounts(**{**data, "engines": engines})

    def updated(self, newer: NetworkCounts) -> NetworkCounts:
        """With what was measured anew; what was not stays."""
        engines, refused = {**self.engines, **newer.engines}, {**self.refused, **newer.refused}
        return NetworkCounts(
            self.network,
            self.cpu,
            newer.multiply_accumulates,
            engines,
            {engine: why for engine, why in refused.items() if engine not in newer.engines},
            {**self.tiles, **newer.tiles},
        )


def count_engine(
    engine: str,
    subject: CountedNetwork,
    cpu: CountedCpu,
    folder: Path,
    kernels: int = 10,
    caches: bool = True,
    models: Sequence[str] = MODELS,
) -> Inference:
    """Count one inference of an engine on one board.

    Parameters
    ----------
    engine : str
        One of ``ENGINES``.
    subject : CountedNetwork
        The network.
    cpu : CountedCpu
        The board.
    folder : Path
        For what is built.
    kernels : int
        How many of the hottest to keep.
    caches : bool
        Whether to simulate data caches.
    models : sequence of str
        Processors to give cycles for.

    Raises
    ------
    FlexPieError
        If the engine cannot run the network, or a tool is missing.
    """
    counted = count(ENGINES[engine](subject, cpu, folder), cpu, caches)
    found = profile_of(counted, models)
    return Inference(found.total, found.kernels[:kernels], _error(counted.outputs, subject.answers))


def count_engines(
    engines: Sequence[str],
    subject: CountedNetwork,
    cpu: CountedCpu,
    folder: Path,
    **options: object,
) -> NetworkCounts:
    """Count several engines; one that cannot run the network says why.

    Parameters
    ----------
    engines : sequence of str
        Of ``ENGINES``.
    subject, cpu, folder, **options
        As `count_engine` takes them.
    """
    done, refused = {}, {}
    for engine in engines:
        try:
            done[engine] = count_engine(engine, subject, cpu, folder, **options)
        except FlexPieError as error:
            refused[engine] = str(error)
    return NetworkCounts(subject.name, cpu.name, subject.multiply_accumulates, done, refused)


def count_tiles(
    subject: CountedNetwork, cpu: CountedCpu, folder: Path, boards: int, schemes: Sequence[str]
) -> NetworkCounts:
    """Count what boards compute that share a network, each board's kernels alone.

    Exchanges cost nothing here: the boards get zeros instead.

    Parameters
    ----------
    subject : CountedNetwork
        The network.
    cpu : CountedCpu
        Every board's.
    folder : Path
        For what is built.
    boards : int
        How many.
    schemes : sequence of str
        Of every layer.
    """
    ways = {WHOLE: 1, **dict.fromkeys(schemes, boards)}
    tiles = {}
    for scheme, number in ways.items():
        artifact = boards_of(subject, cpu, folder, number, scheme)
        libraries = [artifact.library(rank) for rank in range(number)]
        tiles[scheme] = tuple(_kernels_of(library, cpu) for library in libraries)
    return NetworkCounts(subject.name, cpu.name, subject.multiply_accumulates, tiles=tiles)


def _error(outputs: Sequence[np.ndarray], answers: Sequence[np.ndarray]) -> float:
    """Of all answers; a board gives a token behind them, and ncnn drops axes of length one."""
    pairs = zip(outputs[: len(answers)], answers, strict=True)
    return max(relative_error(got.reshape(-1), wanted.reshape(-1)) for got, wanted in pairs)


def _kernels_of(library: Path, cpu: CountedCpu) -> int:
    counted = count(Job("board", str(library), {}), cpu, caches=False)
    return profile_of(counted, ()).within(library.name).instructions


def _inference(data: dict) -> Inference:
    kernels = (Kernel(k["library"], k["name"], CodeCost(**k["cost"])) for k in data["kernels"])
    return Inference(CodeCost(**data["total"]), tuple(kernels), data["error"])
