# SPDX-License-Identifier: Apache-2.0
"""Configurations of TVM's x86 templates, in steps that need not divide the tile.

TVM computes a row of a blocked convolution in steps of up to 31 columns, a matrix product in
steps of up to 8 rows, and a step must divide the whole: a tile of 37 columns is computed one by
one and takes three times as long per column as one of 36. Cut tiles have such extents, so a step
may here leave a shorter last one. `graph.steps` says which; a template asks for them by its
workload, which names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd, inf

from tvm.autotvm.task.space import ConfigEntity, OtherOptionEntity, SplitEntity
from tvm.topi.nn.utils import get_pad_tuple

from ..graph.arithmetic import largest_divisor
from ..graph.steps import (
    MOST_DEPTHWISE,
    MOST_ROWS,
    blocks_together,
    column_block,
    convolution_step,
    equal_step,
    most_rows,
    pointwise_step,
)
from ..machine import VectorUnit
from .schedule_configs import ScheduleConfigs
from .target import LIBRARIES, name_of, unit_of

Entities = dict[str, SplitEntity | OtherOptionEntity]


#: Target and workload -> what was measured to be fastest.
Measured = Mapping[tuple[str, tuple], ConfigEntity]


class OwnConfigs(ScheduleConfigs):
    """Answers templates whose steps are chosen here; others as `ScheduleConfigs` does.

    Parameters
    ----------
    measured : mapping, optional
        Configurations that come before the computed ones, under the target's `name_of` and the
        workload.
    """

    def __init__(self, measured: Measured | None = None) -> None:
        super().__init__()
        self._measured = measured or {}

    def _query_inside(self, target, workload):
        known = self._known.get((str(target), workload))
        if known is None:
            known = self._measured.get((name_of(target), workload))
            if known is None:
                known = _config(target, workload)
            if known is None:
                return super()._query_inside(target, workload)
            self.update(target, workload, known)
        return known


def _config(target, workload) -> ConfigEntity | None:
    """A configuration for a static workload of a known template; None for any other."""
    unit = unit_of(target)
    entities = TEMPLATES.get(workload[0])
    if unit is None or entities is None or not _is_static(workload):
        return None
    if entities is packed_product and set(target.libs) & set(LIBRARIES):
        return None  # TVM would take it before what the library has, which it cannot estimate
    config = ConfigEntity(0, None, entities(workload, unit), [])
    config.cost = inf  # computed, not measured
    return config


def other_steps(target, workload) -> list[ConfigEntity]:
    """What a convolution is configured with, and then the same with other steps of columns.

    Parameters
    ----------
    target : tvm.target.Target
        What it is compiled for.
    workload : tuple
        Of a template of AutoTVM, whose name is first.

    Returns
    -------
    configs : list of ConfigEntity
        None for other templates.
    """
    chosen = _config(target, workload)
    if chosen is None or workload[0] not in CONVOLUTIONS:
        return []
    entities = chosen._entity_map
    _, window = _channels(workload)[1:]
    columns, own = _results(workload, window)[1], entities["tile_ow"].size[-1]
    # steps that make as many turns cost the same, but for the width of the last
    steps = {-(-columns // turns) for turns in range(1, columns + 1)} - {own}
    near = sorted((n for n in steps if n <= MOST_COLUMNS), key=lambda n: (abs(n - own), n))
    others = [entities | {"tile_ow": _split(columns, step)} for step in near]
    return [chosen, *(ConfigEntity(k, None, other, []) for k, other in enumerate(others, 1))]


def _is_static(workload) -> bool:
    tensors = [part for part in workload if isinstance(part, tuple) and part[:1] == ("TENSOR",)]
    return all(isinstance(n, int) for _, shape, _ in tensors for n in shape)


def convolution(workload, unit: VectorUnit) -> Entities:
    """Of ``conv2d_NCHWc.x86``: a step of columns, and of rows if the window is 1x1."""
    channels_in, channels_out, window = _channels(workload)
    rows, columns = _results(workload, window)
    found = _blocks(channels_in, channels_out, channels_in, channels_out, unit)
    if window == (1, 1):
        high, wide = pointwise_step(rows, columns)
        return found | {"tile_oh": OtherOptionEntity(high), "tile_ow": _split(columns, wide)}
    return found | _columns(columns, convolution_step(columns))


def grouped_convolution(workload, unit: VectorUnit) -> Entities:
    """Of ``group_conv2d_nchw.x86``: blocks lie within groups."""
    channels_in, channels_out, window = _channels(workload)
    groups = int(workload[6])
    _, columns = _results(workload, window)
    own = channels_in // groups, channels_out // groups
    found = _blocks(channels_in, channels_out, *own, unit)
    return found | _columns(columns, convolution_step(columns))


def depthwise_convolution(workload, unit: VectorUnit) -> Entities:
    """Of ``depthwise_conv2d_NCHWc.x86``: short steps, as little is done with each column."""
    channels_in, channels_out, window = _channels(workload)
    _, columns = _results(workload, window)
    found = _blocks(channels_in, channels_out, channels_in, channels_out, unit)
    return found | _columns(columns, equal_step(columns, MOST_DEPTHWISE))


def packed_product(workload, unit: VectorUnit) -> Entities:
    """Of ``dense_pack.x86``: a block of columns, a step of rows, and how many go together."""
    (rows, depth), weight = workload[1][1], workload[2][1]
    columns = weight[0] * (weight[2] if len(weight) == 3 else 1)
    block = column_block(columns, unit.lanes)
    step = equal_step(rows, most_rows(block, unit))
    blocks, steps = columns // block, -(-rows // step)
    beside = blocks_together(blocks)
    # as TVM's, where its block and its step are the same
    plain = (block, step) == (largest_divisor(columns, 2 * unit.lanes), gcd(rows, MOST_ROWS))
    above = blocks_together(steps) if plain else 1
    return {
        "tile_y": SplitEntity([steps // above, above, step]),
        "tile_x": SplitEntity([blocks // beside, beside, block]),
        "tile_k": SplitEntity([depth, 1]),
        "tile_inner": _split(rows, step),
    }


#: What makes the configurations of a template.
TEMPLATES: Mapping[str, Callable[[tuple, VectorUnit], Entities]] = {
    "conv2d_NCHWc.x86": convolution,
    "dense_pack.x86": packed_product,
    "depthwise_conv2d_NCHWc.x86": depthwise_convolution,
    "group_conv2d_nchw.x86": grouped_convolution,
}

#: Those of them whose step of columns may be another one, and the widest step.
CONVOLUTIONS = frozenset(TEMPLATES) - {"dense_pack.x86"}
MOST_COLUMNS = 31


def _channels(workload: tuple) -> tuple[int, int, tuple[int, int]]:
    """Channels in and out, and the window, of a convolution in plain or blocked layout."""
    data, kernel = workload[1][1], workload[2][1]
    block_in, block_out = (t[-1] if len(t) > 4 else 1 for t in (data, kernel))
    return data[1] * block_in, kernel[0] * block_out, (kernel[2], kernel[3])


def _results(workload: tuple, window: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a convolution's result."""
    strides, padding, dilation = workload[3:6]
    strides, dilation = ((n, n) if isinstance(n, int) else n for n in (strides, dilation))
    spans = [(n - 1) * apart + 1 for n, apart in zip(window, dilation, strict=True)]
    top, left, bottom, right = get_pad_tuple(padding, spans)
    height, width = workload[1][1][2:4]
    return (
        (height + top + bottom - spans[0]) // strides[0] + 1,
        (width + left + right - spans[1]) // strides[1] + 1,
    )


def _blocks(channels_in: int, channels_out: int, own_in: int, own_out: int, unit: VectorUnit):
    """Blocks of channels, which divide a group's own."""
    block_out = largest_divisor(own_out, unit.lanes)
    block_in = largest_divisor(own_in, block_out)
    return {"tile_ic": _split(channels_in, block_in), "tile_oc": _split(channels_out, block_out)}


def _columns(columns: int, step: int) -> Entities:
    return {"tile_ow": _split(columns, step), "unroll_kw": OtherOptionEntity(False)}


def _split(extent: int, step: int) -> SplitEntity:
    return SplitEntity([-(-extent // step), step])
