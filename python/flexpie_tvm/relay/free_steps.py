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

from ..graph.steps import (
    FEW,
    MOST,
    MOST_DEPTHWISE,
    blocks_together,
    column_block,
    equal_step,
    most_rows,
)


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
        # TVM takes the padding below for that beside. Where a tile has none below, it counts too
        # few columns, even none; the axis that is to be split has them all.
        columns = cfg.space_map["tile_ow"].product
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
        together = blocks_together(blocks)
        cfg["tile_x"] = SplitEntity([blocks // together, together, block])
        cfg["tile_y"] = SplitEntity([-(-rows // step), 1, step])
        cfg["tile_inner"] = _split(rows, step)

    return free


def _split(extent: int, step: int) -> SplitEntity:
    return SplitEntity([-(-extent // step), step])
