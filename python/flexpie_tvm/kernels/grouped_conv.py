# SPDX-License-Identifier: Apache-2.0
"""Convolutions in groups: vectors along the pixels of an image.

TVM's x86 schedule takes vectors of as many output channels as divide a group: with three or four
channels in a group most of a vector is empty, and images of 37 columns take other steps than
those of 36. Here each group is a matrix product of its filters and its pixels. A padded image
lies in memory row after row, so that the pixels of all rows are one long row, and what a place
of the window reads is the same row from some pixel on. Where rows meet, results of no pixel are
computed, and dropped. With strides, pixels of equal remainder are put together first.

On ARM the filters of a tile are put side by side, too: read together, they multiply pixels lane by
lane (`tir.lane_reads`).

A tile within one group is a plain convolution in a plain layout, which TVM would pack in every
run. It takes the same kernel.
"""

from __future__ import annotations

from functools import partial

from tvm import te, tir
from tvm.ir.transform import PassContext
from tvm.relay.op import OpStrategy
from tvm.relay.op.strategy.generic import (
    is_depthwise_conv2d,
    wrap_compute_conv2d,
    wrap_topi_schedule,
)

from ..machine import VectorUnit
from .batch_matmul import is_static_float
from .grouped_plan import ImageAxis, PixelPlan, pixel_plan
from .grouped_schedule import TAG, schedule_convolution

#: Pixels from which it pays to put filters side by side in every run.
PACKED_PIXELS = 32
#: The pass of TVM's that chooses layouts, unless it is disabled.
TVM_LAYOUTS = "AlterOpLayout"


def strategy(attrs, inputs, out_type, target, unit: VectorUnit) -> OpStrategy | None:
    """Our kernel of ``nn.conv2d`` in NCHW, in groups or in one.

    Depthwise convolutions are left to TVM. So are those in one group where a pass of TVM's is to
    choose layouts yet: it looks for kernels of TVM's.

    Parameters
    ----------
    attrs, inputs, out_type, target
        What TVM gives a strategy: an image ``(N, C, H, W)``, filters ``(O, C // groups, KH, KW)``.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    strategy : OpStrategy or None
        None for all that is left, and for what is not static float32.
    """
    data, kernel = inputs
    if (attrs.data_layout, attrs.kernel_layout) != ("NCHW", "OIHW"):
        return None
    if not is_static_float(data, kernel, out_type):
        return None
    shapes = data.shape, "NCHW", kernel.shape, "OIHW", attrs.groups
    if attrs.groups == 1:
        if TVM_LAYOUTS not in PassContext.current().disabled_pass or "dnnl" in target.libs:
            return None
    elif is_depthwise_conv2d(*shapes):
        return None
    found = OpStrategy()
    found.add_implementation(
        wrap_compute_conv2d(partial(convolution, unit=unit), has_groups=True),
        wrap_topi_schedule(schedule_convolution),
        name="group_conv2d_nchw.flexpie",
    )
    return found


def convolution(
    data: te.Tensor,
    kernel: te.Tensor,
    strides,
    padding,
    dilation,
    groups: int = 1,
    out_dtype="float32",
    *,
    unit: VectorUnit,
) -> te.Tensor:
    """Compute of ``nn.conv2d``, in groups or in one, for static float32.

    Parameters
    ----------
    data : te.Tensor
        ``(N, C, H, W)``.
    kernel : te.Tensor
        ``(O, C // groups, KH, KW)``.
    strides, padding, dilation : int or tuple of int
        As of the operator.
    groups : int
        Divides C and O.
    out_dtype
        What TVM gives too; float32.
    unit : VectorUnit
        Whose registers hold the sums.

    Returns
    -------
    result : te.Tensor
        ``(N, O, OH, OW)``.
    """
    axes = _axes(data, kernel, strides, padding, dilation)
    return _convolution(data, kernel, axes, int(groups), unit)


def _axes(data, kernel, strides, padding, dilation) -> tuple[ImageAxis, ImageAxis]:
    strides, dilation = ((n, n) if isinstance(n, int) else n for n in (strides, dilation))
    pads = (padding,) if isinstance(padding, int) else tuple(padding)
    pads = [int(p) for p in pads * (4 // len(pads))]
    axes = []
    for k in range(2):
        window, stride, spread = int(kernel.shape[2 + k]), int(strides[k]), int(dilation[k])
        size, before, after = int(data.shape[2 + k]), pads[k], pads[2 + k]
        results = (size + before + after - (window - 1) * spread - 1) // stride + 1
        axes.append(ImageAxis(window, stride, spread, before, size, results))
    return axes[0], axes[1]


def _convolution(
    data, kernel, axes: tuple[ImageAxis, ImageAxis], groups: int, vector_unit: VectorUnit
) -> te.Tensor:
    batch, filters, depth = int(data.shape[0]), int(kernel.shape[0]) // groups, kernel.shape[1]
    plan = pixel_plan(*axes, filters, vector_unit)
    high, wide, width, unit = plan.high, plan.wide, plan.width, plan.unit
    image = _image(data, groups, int(depth), plan, vector_unit.is_arm)
    c, kh, kw = (te.reduce_axis((0, n)) for n in (depth, high.window, wide.window))
    by_lane = vector_unit.is_arm and plan.pixels >= PACKED_PIXELS
    weights = _packed(kernel, groups, filters, plan.step) if by_lane else kernel

    def term(n, g, tile, i, block, j):
        row = tile * plan.step + i
        row = row if filters % plan.step == 0 else tir.min(row, filters - 1)
        dy, dx = kh * high.dilation, kw * wide.dilation
        at = block * unit + j + dy // high.stride * width + dx // wide.stride
        pixel = image[n, g, c, dy % high.stride, dx % wide.stride, at // width, at % width]
        place = (g, tile, c, kh, kw, i) if by_lane else (g * filters + row, c, kh, kw)
        return te.sum(weights[place] * pixel, axis=[c, kh, kw])

    tiles = -(-filters // plan.step)
    sums = te.compute((batch, groups, tiles, plan.step, plan.units, unit), term, "sums")

    own_width = width if high.results > 1 else axes[1].results

    def result(n, f, y, x):
        g, f = f // filters, f % filters
        at = y * own_width + x if not plan.is_point else f % 2
        return sums[n, g, f // plan.step, f % plan.step, at // unit, at % unit]

    attrs = {
        "filters": filters, "images": batch * groups, "lanes": plan.lanes,
        "single": int(plan.blocks == 1), "flat": int(own_width == axes[1].results),
    }  # fmt: skip
    shape = batch, groups * filters, axes[0].results, axes[1].results
    return te.compute(shape, result, "convolution", TAG, attrs)


def _packed(kernel: te.Tensor, groups: int, filters: int, step: int) -> te.Tensor:
    """Filters with those of a tile side by side, to be read together (`tir.lane_reads`)."""
    _, *window = (int(n) for n in kernel.shape)

    def weight(g, tile, c, kh, kw, i):
        row = tile * step + i if filters % step == 0 else tir.min(tile * step + i, filters - 1)
        return kernel[g * filters + row, c, kh, kw]

    return te.compute((groups, -(-filters // step), *window, step), weight, "filters")


def _image(data, groups: int, depth: int, plan: PixelPlan, flat: bool) -> te.Tensor:
    """The image of each group, padded, by remainders of the strides.

    If it is ``flat``, rows of equal remainder are put together as it is padded: one long row, of
    which columns of equal remainder are taken in vectors.
    """
    high, wide, columns = plan.high, plan.wide, int(data.shape[3])
    batch, rows, width = int(data.shape[0]), plan.rows, plan.width
    zero = tir.const(0.0, "float32")

    def padded(n, g, c, y, x):
        c = g * depth + c
        if plan.is_point:
            return data[n, c, 0, 0]
        if (high.size, wide.size) != (int(data.shape[2]), columns):  # one long row
            return tir.if_then_else(x < wide.size, data[n, c, x // columns, x % columns], zero)
        y, x = y - high.before, x - wide.before
        inside = tir.all(y >= 0, y < high.size, x >= 0, x < wide.size)
        return tir.if_then_else(inside, data[n, c, y, x], zero)

    whole = None
    if wide.phases > 1:  # LLVM makes no vectors of what is read with gaps and under a condition
        columns_read = width * wide.stride
        if flat:
            whole = te.compute(
                (batch, groups, depth, high.phases, rows, columns_read),
                lambda n, g, c, ph, y, x: padded(n, g, c, y * high.stride + ph, x),
                "padded",
            )
        else:
            size = rows * high.stride, columns_read
            whole = te.compute((batch, groups, depth, *size), padded, "padded")

    def image(n, g, c, ph, pw, y, x):
        row, column = y * high.stride + ph, x * wide.stride + pw
        if whole is None:
            return padded(n, g, c, row, column)
        return whole[n, g, c, ph, y, column] if flat else whole[n, g, c, row, column]

    shape = batch, groups, depth, high.phases, wide.phases, rows, width
    return te.compute(shape, image, "image")
