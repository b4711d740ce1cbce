# SPDX-License-Identifier: Apache-2.0
"""Steps of x86 kernels that need not divide the tile.

TVM computes a row of a blocked convolution in steps of up to 31 columns, a matrix product in
steps of up to 8 rows, and a step must divide the whole: a tile of 37 columns is computed one by
one and takes three times as long per column as one of 36. Cut tiles have such extents, so a step
may here leave a shorter last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from tvm.autotvm.task.space import OtherOptionEntity, SplitEntity
from tvm.target.x86 import get_simd_32bit_lanes
from tvm.topi.x86 import (
    conv2d_avx_1x1,
    conv2d_avx_common,
    dense,
    dense_alter_op,
    depthwise_conv2d,
    group_conv2d,
)

from ..graph.arithmetic import largest_divisor

#: Columns of a convolution that fit the vector registers beside weights and input.
MOST = 31
#: Divisors from here on keep the arithmetic units busy.
FEW = 8
#: Columns of a depthwise convolution, which does little with each: more spill registers.
MOST_DEPTHWISE = 12
#: Rows of a matrix product, where the block of columns is one vector or registers are many.
MOST_ROWS = 8
#: Rows where the block is two vectors and there are 16 registers.
MOST_ROWS_SCARCE = 6


@contextmanager
def free_steps() -> Iterator[None]:
    """While inside, TVM's default schedules of convolutions and dense layers take any step."""
    replaced = (
        (conv2d_avx_common, "_fallback_schedule", _convolution),
        (conv2d_avx_1x1, "_fallback_schedule", _convolution),
        (group_conv2d, "_fallback_schedule", _convolution),
        (depthwise_conv2d, "_fallback_schedule", _depthwise),
        (dense, "_default_dense_pack_config", _dense),
        (dense_alter_op, "_default_dense_pack_config", _dense),
    )
    with ExitStack() as stack:
        for module, name, freed in replaced:
            wrapped = freed(getattr(module, name))
            stack.enter_context(patch.object(module, name, wrapped))
        yield


def equal_step(extent: int, most: int) -> int:
    """The step of the fewest equal steps of at most ``most``; the last may be shorter."""
    return -(-extent // -(-extent // most))


def column_block(columns: int, lanes: int) -> int:
    """Columns of a matrix product that are computed together: whole vectors, or part of one.

    A block that is more than one vector, but not a whole number of them, is taken apart by LLVM
    and leaves the registers; it is the last resort.
    """
    if columns % (2 * lanes) == 0:
        return 2 * lanes
    narrow = largest_divisor(columns, lanes)
    return narrow if narrow > 1 else largest_divisor(columns, 2 * lanes)


def padded_columns(columns: int, lanes: int) -> int:
    """Columns of a matrix product with those that are added for whole vectors; maybe none.

    They are where whole vectors are fewer than the blocks that divide the columns.
    """
    block, vectors = column_block(columns, lanes), -(-columns // lanes)
    scattered = lanes < columns and block % lanes != 0
    narrow = vectors < columns // block or block > lanes
    return vectors * lanes if scattered and narrow else columns


def most_rows(block: int, lanes: int) -> int:
    """Rows of a matrix product whose sums fit the registers, for a block of columns."""
    if block <= lanes:
        return MOST_ROWS
    if block % lanes:
        return 1
    return MOST_ROWS if lanes >= 16 else MOST_ROWS_SCARCE  # AVX-512 has 32 registers


def _convolution(schedule: Callable) -> Callable:
    def free(cfg, workload) -> None:
        schedule(cfg, workload)
        chunks, step = cfg["tile_ow"].size[-2:]
        columns = chunks * step
        rows = cfg["tile_oh"].val if "tile_oh" in cfg else 1
        if step * rows < FEW < columns:
            cfg["tile_ow"] = _split(columns, equal_step(columns, MOST))
            if "tile_oh" in cfg:  # 1x1: the step fills the registers, so one row at a time
                cfg["tile_oh"] = OtherOptionEntity(1)

    return free


def _depthwise(schedule: Callable) -> Callable:
    def free(cfg, workload) -> None:
        schedule(cfg, workload)
        chunks, step = cfg["tile_ow"].size[-2:]
        columns = chunks * step
        if columns:  # TVM counts none for some tiles; its step then is as good as any
            cfg["tile_ow"] = _split(columns, equal_step(columns, MOST_DEPTHWISE))

    return free


def _dense(schedule: Callable) -> Callable:
    def free(cfg, rows, columns, depth) -> None:
        schedule(cfg, rows, columns, depth)
        if not (isinstance(rows, int) and isinstance(columns, int)):
            return
        lanes = get_simd_32bit_lanes()
        block = column_block(columns, lanes)
        step = equal_step(rows, most_rows(block, lanes))
        if (cfg["tile_x"].size[-1], cfg["tile_y"].size[-1]) == (block, step):
            return
        blocks = columns // block
        together = _together(blocks)
        cfg["tile_x"] = SplitEntity([blocks // together, together, block])
        cfg["tile_y"] = SplitEntity([-(-rows // step), 1, step])
        cfg["tile_inner"] = _split(rows, step)

    return free


def _together(blocks: int) -> int:
    """How many blocks of columns TVM takes before it goes on to the next rows."""
    together = 1
    while blocks // together > 4 and blocks // together % 2 == 0:
        together *= 2
    return together


def _split(extent: int, step: int) -> SplitEntity:
    return SplitEntity([-(-extent // step), step])
