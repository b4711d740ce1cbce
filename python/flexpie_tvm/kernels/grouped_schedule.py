# SPDX-License-Identifier: Apache-2.0
"""Schedule of convolutions in groups, as `grouped_conv` writes them."""

from __future__ import annotations

from tvm import te

from .batch_matmul import find
from .padding import MARK

TAG = "flexpie_group_convolution"
#: Numbers by which channels lie apart: odd multiples of a cache line, so that they do not
#: fall into the same sets of the cache.
ALIGN = (32, 16)
#: Places of a window up to which the code of all of them stands side by side.
MOST_TAPS = 9
#: Vectors of columns of equal remainder that are read together.
VECTORS_READ = 4


def schedule_convolution(outs) -> te.Schedule:
    """Schedule of `grouped_conv.convolution`, and of what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result, ``(N, O, OH, OW)``.
    """
    s = te.create_schedule([x.op for x in outs])
    convolution, last = find(s, outs[0].op, (TAG,)), outs[0].op
    if convolution != last:
        s[convolution].compute_inline()
    (sums,) = convolution.input_tensors
    image = next(x for x in sums.op.input_tensors if x.op.name == "image")
    packed = next((x for x in sums.op.input_tensors if x.op.name == "filters"), None)
    own = s.cache_write(sums, "global")
    filters, images, lanes, single, flat = (
        int(convolution.attrs[x]) for x in ("filters", "images", "lanes", "single", "flat")
    )
    n, f, y, x = s[last].op.axis
    if flat:
        s[last].fuse(y, x)
    if images > 1:  # threads take whole groups, whose images stay in their caches
        g, f = s[last].split(f, filters)
        outer = s[last].fuse(n, g)
        s[last].parallel(outer)
        s[image].compute_at(s[last], outer)
        s[sums].compute_at(s[last], outer)
        if packed is not None:
            s[packed].compute_at(s[last], outer)
    else:
        s[last].parallel(s[last].fuse(n, f))
    _schedule_image(s, image, images == 1, lanes)
    if packed is not None:
        _schedule_filters(s, packed, images == 1)
    _schedule_sums(s, (sums, own), lanes if not single else None, images == 1, packed is not None)
    return s


def _schedule_image(s: te.Schedule, image: te.Tensor, parallel: bool, lanes: int) -> None:
    n, g, c, _, _, y, x = s[image].op.axis
    s[image].storage_align(c, *ALIGN)
    if parallel:
        c = s[image].fuse(n, g, c)
        s[image].parallel(c)
    (source,) = image.op.input_tensors
    if source.op.name == "padded":
        s[source].compute_at(s[image], c)
        if len(source.shape) == len(image.shape) - 1:  # flat
            turn, lane = s[image].split(s[image].fuse(y, x), VECTORS_READ * lanes)
            s[image].pragma(turn, MARK)
            s[image].vectorize(lane)


def _schedule_filters(s: te.Schedule, packed: te.Tensor, parallel: bool) -> None:
    g, tile, *window, i = s[packed].op.axis
    s[packed].reorder(g, tile, i, *window)  # read as they lie in memory
    if parallel:
        s[packed].parallel(s[packed].fuse(g, tile))


def _unroll_window(s: te.Schedule, own: te.Tensor) -> None:
    """Where a place of the window lies in the image is then known, and costs no instruction."""
    taps = 1
    for axis in reversed(s[own].op.reduce_axis[1:]):
        taps *= int(axis.dom.extent)
        if taps <= MOST_TAPS:
            s[own].unroll(axis)


def _schedule_sums(
    s: te.Schedule, stages, lanes: int | None, parallel: bool, by_lane: bool
) -> None:
    """Tiles of filters and pixels; ``lanes`` if units of pixels are to be cut into vectors."""
    sums, own = stages
    for stage in stages:
        n, g, tile, i, block, j = s[stage].op.axis
        order = [tile, *s[stage].op.reduce_axis, i, block, j]
        if lanes is not None:
            v, j = s[stage].split(j, lanes)
            order = [block, *order[:-2], v, j]
        s[stage].reorder(*order)
        s[stage].vectorize(j)
        if stage is own:
            s[own].unroll(order[-3])
            s[own].unroll(order[-2])
            if by_lane:
                _unroll_window(s, own)
            continue
        if parallel:
            first = s[sums].fuse(n, g, order[0])
            s[sums].parallel(first)
            tile = first if order[0] is tile else tile
        s[own].compute_at(s[sums], tile)
