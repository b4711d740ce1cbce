# SPDX-License-Identifier: Apache-2.0
"""Configurations of AutoTVM's templates that nobody has tuned.

TVM's templates for ARM take their register tiles from a log on a server (TopHub), and without it
every tile is one element: a convolution is then a sum of scalars, five to ten times slower than
its own template with a tile. Here tiles follow from the registers of the target.
"""

from __future__ import annotations

from itertools import product

from tvm import autotvm
from tvm.autotvm.task.space import AnnotateEntity, FallbackConfigEntity, ReorderEntity, SplitEntity

from ..machine import NEON

LANES = NEON.lanes
#: Sums that a tile may hold: as many again must not be spilled for weights and inputs.
MOST_SUMS = 24
#: Extents that TVM's depthwise template unrolls at most.
MOST_UNROLLED = 16


class ScheduleConfigs(autotvm.task.DispatchContext):
    """Answers every template's question for a configuration, and forgets all with the build.

    AutoTVM's own root context keeps what it answered for the rest of the process, so that a build
    could depend on those before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple[str, tuple], autotvm.ConfigEntity | FallbackConfigEntity] = {}

    def _query_inside(self, target, workload):
        key = (str(target), workload)
        if key not in self._known:
            arm = "arm_cpu" in target.keys
            self._known[key] = RegisterTiles() if arm else FallbackConfigEntity()
        return self._known[key]

    def update(self, target, workload, cfg) -> None:
        """Take a configuration for a workload that a pass of TVM made of another one."""
        self._known[(str(target), workload)] = cfg


class RegisterTiles(FallbackConfigEntity):
    """A configuration of TVM's templates for ARM: tiles that fill the vector registers.

    A template defines its splits and asks last how its tile is unrolled and vectorized; the tile
    is then chosen. Templates that have no such tile keep TVM's defaults.
    """

    def define_annotate(self, name, axes, policy, **kwargs):
        """Define how axes are annotated; the tile's axes decide the tile."""
        defined = super().define_annotate(name, axes, policy, **kwargs)
        if name == "ann_spatial" and {"tile_co", "tile_oh", "tile_ow"} <= self.space_map.keys():
            self._convolution()
        elif name == "ann" and {"tile_c", "tile_h", "tile_w"} <= self.space_map.keys():
            self._depthwise()
        return defined

    def fallback_with_reference_log(self, ref_log) -> None:
        """Nothing: the tile is chosen already, and the log is on a server."""

    def _convolution(self) -> None:
        names = ("tile_co", "tile_oh", "tile_ow")
        tile = convolution_tile(*map(self._extent, names))
        self._split(names, tile)
        self["ann_reduce"] = AnnotateEntity(["none", "unroll"])
        # the template's axes: image, channels, rows, columns outside; window; and the tile's
        # rows (7), columns (8) and channels (9), of which the last is vectorized
        if _along_columns(tile):
            self["ann_spatial"] = AnnotateEntity(["unroll", "vec", "unroll"])
            self["reorder_0"] = ReorderEntity([*range(7), 9, 7, 8])
        else:
            self["ann_spatial"] = AnnotateEntity(["unroll", "unroll", "vec"])
            self["reorder_0"] = ReorderEntity([*range(7), 7, 8, 9])

    def _depthwise(self) -> None:
        names = ("tile_c", "tile_h", "tile_w")
        self._split(names, depthwise_tile(*map(self._extent, names)))
        self["ann"] = AnnotateEntity(["unroll", "unroll", "vec"])

    def _extent(self, name: str) -> int:
        return int(self.space_map[name].product)

    def _split(self, names: tuple[str, ...], tile: tuple[int, int, int]) -> None:
        for name, step in zip(names, tile, strict=True):
            self[name] = SplitEntity([self._extent(name) // step, step])


def convolution_tile(channels: int, rows: int, columns: int) -> tuple[int, int, int]:
    """Channels, rows and columns whose sums a convolution keeps in registers.

    Parameters
    ----------
    channels, rows, columns : int
        Of the result; a tile's extents divide them, as TVM's template needs.

    Returns
    -------
    tile : tuple of int
        The one with the fewest loads for each multiplication of vectors. A width without a good
        divisor takes several rows, or more channels.
    """
    tiles = product(*map(_divisors, (channels, rows, columns)))
    return min((tile for tile in tiles if _sums(tile) <= MOST_SUMS), key=_work)


def _along_columns(tile: tuple[int, int, int]) -> bool:
    """Whether a tile's vectors lie along its columns: where its channels are less than one."""
    channels, _, columns = tile
    return channels < LANES and columns % LANES == 0


def _sums(tile: tuple[int, int, int]) -> int:
    """Registers that a tile's sums take."""
    channels, rows, columns = tile
    if _along_columns(tile):
        return channels * rows * -(-columns // LANES)
    return -(-channels // LANES) * rows * columns


def _work(tile: tuple[int, int, int]) -> tuple[float, int]:
    """Instructions for each useful vector of products; of equal tiles the larger is the less."""
    channels, rows, columns = tile
    if _along_columns(tile):
        loads = channels + rows * -(-columns // LANES)
    else:
        loads = -(-channels // LANES) + rows * -(-columns // LANES)
    sums = _sums(tile)
    return (sums + loads) * LANES / (channels * rows * columns), -sums


def depthwise_tile(channels: int, rows: int, columns: int) -> tuple[int, int, int]:
    """Channels, rows and columns of a depthwise convolution's tile, which divide the whole."""
    deep = max(n for n in _divisors(channels) if n <= 2 * LANES)
    if deep > LANES and deep % LANES:
        deep = max(n for n in _divisors(channels) if n <= LANES)
    vectors = -(-deep // LANES)
    fitting = [
        (high, wide)
        for high, wide in product(_divisors(rows), _divisors(columns))
        if max(high, wide) <= MOST_UNROLLED and high * wide * vectors <= MOST_UNROLLED
    ]
    high, wide = max(fitting, key=lambda tile: (tile[0] * tile[1], tile[1]))
    return deep, high, wide


def _divisors(extent: int) -> list[int]:
    return [n for n in range(1, extent + 1) if extent % n == 0]
