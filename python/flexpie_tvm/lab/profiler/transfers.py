# SPDX-License-Identifier: Apache-2.0
"""Which transfers to time: tensors of many sizes that go from how they are owned to who needs them.

The messages and the record follow from the regions as in a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ...cost.records import Links, Transfer
from ...graph import Axes, Region, Tensor, empty, whole
from ...plan import Message, messages_between, parse_scheme, split_for
from ...plan.predict.work import exchange_transfer, host_transfer
from .draft import FEATURES, SIZES, TOKENS

#: Bytes of the whole tensors.
SMALLEST, LARGEST = 2048, 8 << 20
#: How the boards that need a tensor come to their regions, and how often.
PATTERNS = {"halo": 0.45, "reshard": 0.35, "everybody": 0.1, "one": 0.1}
SCHEMES = ("InH", "InW", "OutC", "2D-grid", "Single")
MOST_HALO = 6


@dataclass(frozen=True)
class DrawnTransfer:
    """A tensor, what each board owns of it, and what each board needs."""

    tensor: Tensor
    owned: tuple[Region, ...]
    need: tuple[Region, ...]

    @property
    def messages(self) -> tuple[Message, ...]:
        """What goes from board to board."""
        return messages_between(self.owned, self.need)

    def record(self, links: Links) -> Transfer:
        """The exchange as a cost model is asked about it."""
        return exchange_transfer(self.owned, self.need, self.tensor, links)

    def host_record(self, kind: str, links: Links) -> Transfer:
        """Scattering what the boards need, or gathering what they own."""
        regions = self.need if kind == "scatter" else self.owned
        return host_transfer(kind, regions, self.tensor, links)


def draw_exchange(rng: np.random.Generator, boards: int, number: int) -> DrawnTransfer:
    """A random exchange with at least one message; ``number`` becomes the tensor's id."""
    while True:
        tensor = draw_tensor(rng, number)
        owned = _owned(tensor, boards, rng)
        pattern = str(rng.choice(list(PATTERNS), p=list(PATTERNS.values())))
        drawn = DrawnTransfer(tensor, owned, _need(tensor, owned, pattern, rng))
        if drawn.messages:
            return drawn


def draw_host_transfer(rng: np.random.Generator, boards: int) -> DrawnTransfer:
    """An input or output: owned in some way, and needed so, perhaps with halos, or by all."""
    tensor = draw_tensor(rng, 0)
    owned = _owned(tensor, boards, rng)
    pattern = str(rng.choice(["halo", "everybody", "same"], p=[0.5, 0.15, 0.35]))
    return DrawnTransfer(tensor, owned, _need(tensor, owned, pattern, rng))


def barrier(boards: int, number: int) -> DrawnTransfer:
    """Four bytes from every board to every other: afterwards they are in step."""
    tensor = Tensor(number, f"barrier{number}", (boards, boards), "float32", "op")
    rows = tuple(whole(tensor.shape).replace(0, k, k + 1) for k in range(boards))
    cols = tuple(whole(tensor.shape).replace(1, k, k + 1) for k in range(boards))
    return DrawnTransfer(tensor, rows, cols)


def draw_tensor(rng: np.random.Generator, number: int) -> Tensor:
    """A tensor in one of the layouts that models exchange, of any size in the range."""
    dtype = "int8" if rng.random() < 0.1 else "float32"
    itemsize = 1 if dtype == "int8" else 4
    elements = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))) / itemsize
    layout = str(rng.choice(["blocked", "NCHW", "tokens"], p=[0.6, 0.25, 0.15]))
    if layout == "tokens":
        features = int(rng.choice(FEATURES))
        tokens = int(rng.choice(TOKENS)) if elements < features else int(elements / features)
        shape, axes = (tokens, features), Axes(h=0, c=1)
    else:
        rows = int(rng.choice([n for n in SIZES if n * n <= elements]))
        cols = rows if rng.random() < 0.7 else int(rng.choice(SIZES))
        block = int(rng.choice([16, 16, 16, 8, 4])) if layout == "blocked" else 1
        channels = max(1, min(4096 // block, int(elements / (rows * cols * block))))
        shape, axes = (1, channels, rows, cols), Axes(h=2, w=3, c=1)
        shape = (*shape, block) if layout == "blocked" else shape
    if prod(shape) * itemsize > 2 * LARGEST:
        return draw_tensor(rng, number)
    return Tensor(number, f"tensor{number}", shape, dtype, "op", axes)


def _owned(tensor: Tensor, boards: int, rng: np.random.Generator) -> tuple[Region, ...]:
    scheme = parse_scheme(str(rng.choice(SCHEMES, p=[0.3, 0.2, 0.2, 0.2, 0.1])), boards)
    uneven = rng.random() < 0.3
    shares = rng.dirichlet(np.full(boards, 4.0)) if uneven else np.full(boards, 1 / boards)
    cuttable = frozenset(axis for axis, size in enumerate(tensor.shape) if size > 1)
    return split_for(scheme, tensor, cuttable, shares).owned(tensor.shape, boards)


def _need(
    tensor: Tensor, owned: Sequence[Region], pattern: str, rng: np.random.Generator
) -> tuple[Region, ...]:
    boards, rank = len(owned), len(tensor.shape)
    if pattern == "everybody":
        return (whole(tensor.shape),) * boards
    if pattern == "one":
        chosen = int(rng.integers(boards))
        return tuple(whole(tensor.shape) if k == chosen else empty(rank) for k in range(boards))
    if pattern == "reshard":
        owned = _owned(tensor, boards, rng)
    if pattern == "same" or (pattern == "reshard" and rng.random() < 0.5):
        return tuple(owned)
    halo = int(rng.integers(1, MOST_HALO + 1))
    return tuple(_grown(region, tensor, halo) for region in owned)


def _grown(region: Region, tensor: Tensor, halo: int) -> Region:
    """With ``halo`` more rows and columns on every side, where the image has them."""
    if region.is_empty:
        return region
    for axis in (tensor.axes.h, tensor.axes.w):
        if axis is not None:
            start, stop = region.bounds[axis]
            size = tensor.shape[axis]
            region = region.replace(axis, max(0, start - halo), min(size, stop + halo))
    return region
