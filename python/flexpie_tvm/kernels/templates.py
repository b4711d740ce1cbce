# SPDX-License-Identifier: Apache-2.0
"""Kernels in register tiles as templates of AutoTVM, and the strategies that bring them.

A template has one knob, ``tile``, whose options are `candidates`. The first is the predicted one,
which a configuration that nobody has measured takes. A template's name ends in the version of
its schedule: measurements of another version name another template.
"""

from __future__ import annotations

import sys

from tvm import autotvm, te
from tvm.relay.op import OpStrategy
from tvm.relay.op.strategy.generic import wrap_topi_schedule
from tvm.target import Target
from tvm.topi.utils import get_const_tuple

from ..machine import VectorUnit
from .batch_matmul import is_static_float
from .blocked_conv import TAG as CONV
from .blocked_conv import blocked_conv, conv_shape, schedule_blocked_conv
from .blocked_depthwise import TAG as DEPTHWISE
from .blocked_depthwise import (
    blocked_depthwise,
    depthwise_extents,
    depthwise_tiles,
    schedule_blocked_depthwise,
)
from .candidates import MOST_TILES, conv_candidates, dense_candidates
from .packed_dense import TAG as DENSE
from .packed_dense import DenseTile, dense_extents, packed_dense, schedule_packed_dense
from .register_tile import ConvShape, RegisterTile, register_tiles
from .spread_tile import spread_tiles, takes_convolution
from .target import cache_of, current_unit
from .winograd import TAG as WINOGRAD
from .winograd import product_places, schedule_winograd, winograd_conv

TEMPLATES = tuple(
    f"{kind}.flexpie.1"
    for kind in ("blocked_conv", "blocked_depthwise", "packed_dense", "winograd_conv")
)
CONV_TEMPLATE, DEPTHWISE_TEMPLATE, DENSE_TEMPLATE, WINOGRAD_TEMPLATE = TEMPLATES


@autotvm.register_topi_compute(CONV_TEMPLATE)
def conv_template(cfg, data, kernel, strides, padding, dilation) -> te.Tensor:
    """`blocked_conv`, whose knob is vectors, rows and columns of a tile, and cache blocks."""
    result = blocked_conv(data, kernel, strides, padding, dilation, data.dtype)
    shape, unit = conv_shape(result.op), _unit(data)
    if unit.is_arm:
        found = conv_candidates(shape, unit.registers, unit.lanes, _cache())
    else:  # in one block, as with Winograd
        tiles = spread_tiles(shape, unit)[:MOST_TILES]
        found = [(t.vectors, t.rows, t.columns, 1) for t in tiles]
    cfg.define_knob("tile", found)
    return result


@autotvm.register_topi_schedule(CONV_TEMPLATE)
def schedule_conv_template(cfg, outs) -> te.Schedule:
    """Schedule of `conv_template`."""
    unit = _unit(*outs)
    *tile, blocks = cfg["tile"].val
    measured = RegisterTile(*tile), blocks
    return schedule_blocked_conv(outs, unit.registers, unit.lanes, _cache(), measured)


@autotvm.register_topi_compute(DEPTHWISE_TEMPLATE)
def depthwise_template(cfg, data, kernel, strides, padding, dilation) -> te.Tensor:
    """`blocked_depthwise`, whose knob is rows and columns of a tile."""
    result = blocked_depthwise(data, kernel, strides, padding, dilation, data.dtype)
    rows, columns, window, steps = depthwise_extents(result.op)
    tiles = depthwise_tiles(rows, columns, window, steps, current_unit().registers)
    cfg.define_knob("tile", tiles[:MOST_TILES])
    return result


@autotvm.register_topi_schedule(DEPTHWISE_TEMPLATE)
def schedule_depthwise_template(cfg, outs) -> te.Schedule:
    """Schedule of `depthwise_template`."""
    rows, columns = cfg["tile"].val
    return schedule_blocked_depthwise(outs, current_unit().registers, (rows, columns))


@autotvm.register_topi_compute(DENSE_TEMPLATE)
def dense_template(cfg, data, weight) -> te.Tensor:
    """`packed_dense`, whose knob is a tile's rows, blocks of columns and columns of a block."""
    result, unit = packed_dense(data, weight, data.dtype), _unit(data)
    extents = dense_extents(result.op)
    cfg.define_knob("tile", dense_candidates(*extents, unit.registers, unit.lanes))
    return result


@autotvm.register_topi_schedule(DENSE_TEMPLATE)
def schedule_dense_template(cfg, outs) -> te.Schedule:
    """Schedule of `dense_template`."""
    unit = _unit(*outs)
    measured = DenseTile(*cfg["tile"].val)
    return schedule_packed_dense(outs, unit.registers, unit.lanes, _cache(), measured)


@autotvm.register_topi_compute(WINOGRAD_TEMPLATE)
def winograd_template(cfg, data, weight, padding) -> te.Tensor:
    """`winograd_conv`, whose knob is vectors, rows and columns of a tile of products."""
    result, unit = winograd_conv(data, weight, padding), current_unit()
    tiles = register_tiles(product_places(result.op), unit.registers, unit.read_lanes)
    cfg.define_knob("tile", [(t.vectors, t.rows, t.columns) for t in tiles[:MOST_TILES]])
    return result


@autotvm.register_topi_schedule(WINOGRAD_TEMPLATE)
def schedule_winograd_template(cfg, outs) -> te.Schedule:
    """Schedule of `winograd_template`."""
    unit = current_unit()
    measured = RegisterTile(*cfg["tile"].val)
    # blocks of rows take x86 longer than it waits for memory without them
    cache = _cache() if unit.is_arm else sys.maxsize
    return schedule_winograd(outs, unit.registers, unit.read_lanes, cache, measured)


def conv_strategy(attrs, inputs, out_type, target, unit: VectorUnit) -> OpStrategy | None:
    """Ours of ``nn.contrib_conv2d_NCHWc``: static, in one group; of x86 where it pays."""
    if int(attrs.groups) != 1 or not _is_known(unit, *inputs, out_type):
        return None
    if not unit.is_arm and not takes_convolution(_conv_shape(attrs, inputs, out_type), unit):
        return None
    return _strategy(_convolution(conv_template), schedule_conv_template, CONV)


def depthwise_strategy(attrs, inputs, out_type, target, unit: VectorUnit) -> OpStrategy | None:
    """Ours of ``nn.contrib_depthwise_conv2d_NCHWc`` on ARM: static, a filter a channel."""
    if not unit.is_arm or not _is_known(unit, *inputs, out_type):
        return None
    data, kernel = (get_const_tuple(tensor.shape) for tensor in inputs)
    if (kernel[0], kernel[5], kernel[1]) != (data[1], data[4], 1):
        return None
    return _strategy(_convolution(depthwise_template), schedule_depthwise_template, DEPTHWISE)


def dense_strategy(attrs, inputs, out_type, target, unit: VectorUnit) -> OpStrategy | None:
    """Ours of ``nn.contrib_dense_pack`` on ARM: static, blocks of whole vectors."""
    if not unit.is_arm or not _is_known(unit, *inputs, out_type):
        return None
    if int(inputs[1].shape[-1]) % unit.of(inputs[1].dtype).lanes:
        return None

    def compute(attrs, inputs, out_type) -> list[te.Tensor]:
        return [dense_template(*inputs)]

    return _strategy(compute, schedule_dense_template, DENSE)


def winograd_strategy(attrs, inputs, out_type, target, unit: VectorUnit) -> OpStrategy | None:
    """Ours of a convolution in NCHW[x]c with weights of `winograd.transform_weights`."""
    if len(inputs[0].shape) != 5 or not is_static_float(*inputs, out_type):
        return None

    def compute(attrs, inputs, out_type) -> list[te.Tensor]:
        return [winograd_template(*inputs, get_const_tuple(attrs.padding))]

    return _strategy(compute, schedule_winograd_template, WINOGRAD)


def _unit(tensor: te.Tensor) -> VectorUnit:
    """The unit that kernels are being built for, as one of a tensor's type sees it."""
    return current_unit().of(tensor.dtype)


def _is_known(unit: VectorUnit, *tensors) -> bool:
    """Whether all are of known shapes and of one type that a unit computes with."""
    return any(is_static_float(*tensors, dtype=dtype) for dtype in unit.floats)


def _conv_shape(attrs, inputs, out_type) -> ConvShape:
    _, blocks, rows, columns, block = get_const_tuple(out_type.shape)
    _, in_blocks, high, wide, in_block, _ = get_const_tuple(inputs[1].shape)
    strides = get_const_tuple(attrs.strides)
    return ConvShape(blocks, block, rows, columns, in_blocks, in_block, (high, wide), strides)


def _cache() -> int:
    return cache_of(Target.current(allow_none=False))


def _convolution(template):
    def compute(attrs, inputs, out_type) -> list[te.Tensor]:
        numbers = (get_const_tuple(n) for n in (attrs.strides, attrs.padding, attrs.dilation))
        return [template(*inputs, *numbers)]

    return compute


def _strategy(compute, schedule, name: str) -> OpStrategy:
    found = OpStrategy()
    found.add_implementation(compute, wrap_topi_schedule(schedule), name=name)
    return found
