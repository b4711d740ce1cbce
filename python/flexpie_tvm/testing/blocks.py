# SPDX-License-Identifier: Apache-2.0
"""Blocks of random models: each takes a map ``1xCxHxW`` and gives another map.

``make`` is the model's builder, ``maps`` are all maps that there are so far.
"""

from __future__ import annotations

from tvm import relay

from .attention import attention, feed_forward, layer_norm


def conv(make, x, maps):
    """A convolution of any kind with bias and activation."""
    channels = make.shape(x)[1]
    pick, number = make.choices.pick, make.choices.integer
    groups = pick([g for g in range(1, channels + 1) if channels % g == 0])
    out = make.channels(6) if groups == 1 else groups * number(1, 2)
    kernel = (pick((1, 3, 2, 5)), pick((1, 3, 2, 5)))
    dilation = (pick((1, 1, 2)), pick((1, 1, 2)))
    return _conv(make, x, out, kernel, groups, pick((1, 1, 2, 3)), dilation)


def _conv(make, x, out, kernel, groups=1, stride=1, dilation=(1, 1), bias=True):
    _, channels, height, width = make.shape(x)
    pads = []
    for size, k, d in zip((height, width), kernel, dilation, strict=True):
        reach = (k - 1) * d + 1
        before, after = make.choices.integer(0, reach // 2), make.choices.integer(0, reach // 2)
        pads.append((before, max(after, reach - size - before)))
    weight = make.weight(out, channels // groups, *kernel, fan=channels // groups * kernel[0])
    y = relay.nn.conv2d(
        x,
        weight,
        strides=(stride, stride),
        padding=(pads[0][0], pads[1][0], pads[0][1], pads[1][1]),
        dilation=dilation,
        groups=groups,
        channels=out,
        kernel_size=kernel,
    )
    return activation(make, relay.nn.bias_add(y, make.weight(out))) if bias else y


def _same(make, x, out, kernel=3):
    """A convolution that keeps height and width."""
    channels, pad = make.shape(x)[1], kernel // 2
    weight = make.weight(out, channels, kernel, kernel, fan=channels * kernel)
    return relay.nn.conv2d(
        x, weight, padding=(pad, pad), channels=out, kernel_size=(kernel, kernel)
    )


def activation(make, x):
    """Any of the usual pointwise functions, some of which read their input twice."""
    kind = make.choices.pick(("relu", "none", "hardswish", "sigmoid", "leaky", "prelu", "gelu"))
    const = relay.const
    if kind == "relu":
        return relay.nn.relu(x)
    if kind == "hardswish":
        return relay.multiply(
            x, relay.divide(relay.clip(relay.add(x, const(3.0)), 0, 6), const(6.0))
        )
    if kind == "sigmoid":
        return relay.multiply(x, relay.sigmoid(x))
    if kind == "leaky":
        return relay.nn.leaky_relu(x, 0.1)
    if kind == "prelu":
        return relay.nn.prelu(x, make.weight(make.shape(x)[1]))
    if kind == "gelu":
        erf = relay.erf(relay.multiply(x, const(0.70710677)))
        return relay.multiply(relay.multiply(x, const(0.5)), relay.add(erf, const(1.0)))
    return x


def residual(make, x, maps):
    """Two convolutions beside the identity or a projection."""
    channels = make.shape(x)[1]
    out = make.choices.pick((channels, make.channels(6)))
    branch = _same(make, activation(make, _same(make, x, make.channels(5))), out)
    skip = x if out == channels else _same(make, x, out, 1)
    return activation(make, relay.add(branch, skip))


def inception(make, x, maps):
    """Branches side by side, concatenated along channels."""
    branches = [_same(make, x, make.channels(4), 1)]
    branches.append(activation(make, _same(make, branches[0], make.channels(4), 5)))
    branches.append(relay.nn.max_pool2d(x, (3, 3), padding=(1, 1)))
    if make.choices.pick((False, True)):
        branches.append(x)
    return relay.concatenate(branches, 1)


def dense_connection(make, x, maps):
    """Concatenate with earlier maps of the same size."""
    size = make.shape(x)[2:]
    others = [m for m in maps if make.shape(m)[2:] == size]
    axis = make.choices.pick((1, 2, 3))
    if axis > 1:
        others = [m for m in maps if make.shape(m) == make.shape(x)]
    parts = [x, *(make.choices.pick(others) for _ in range(make.choices.integer(1, 2)))]
    return relay.concatenate(parts, axis)


def add_earlier(make, x, maps):
    """Add an earlier map of the same shape, or a new input of a shape that broadcasts."""
    shape = make.shape(x)
    others = [m for m in maps if make.shape(m) == shape]
    if make.choices.pick((True, False)):
        return relay.add(x, make.choices.pick(others))
    small = tuple(make.choices.pick((n, 1)) for n in shape)
    return relay.multiply(x, make.input(small[make.choices.integer(0, 2) :]))


def squeeze_excite(make, x, maps):
    """Scale channels by what a global pool says."""
    channels, middle = make.shape(x)[1], make.channels(4)
    if make.choices.pick((True, False)):
        pooled = relay.nn.global_avg_pool2d(x)
    else:
        pooled = relay.mean(x, (2, 3), keepdims=True)
    y = relay.nn.relu(_same(make, pooled, middle, 1))
    return relay.multiply(x, relay.sigmoid(_same(make, y, channels, 1)))


def pool(make, x, maps):
    """A max or average pool of any kind."""
    pick, number = make.choices.pick, make.choices.integer
    kernel = tuple(min(pick((2, 3)), n) for n in make.shape(x)[2:])
    pads = [number(0, k // 2) for k in (*kernel, *kernel)]
    stride, ceil = pick((2, 1, 3)), pick((False, True))
    sides = zip(make.shape(x)[2:], kernel, pads[:2], pads[2:], strict=True)
    ceil = ceil and all(_last_window_reads(*side, stride) for side in sides)
    if pick((True, False)):
        return relay.nn.max_pool2d(x, kernel, (stride, stride), (1, 1), pads, ceil_mode=ceil)
    return relay.nn.avg_pool2d(
        x,
        kernel,
        (stride, stride),
        (1, 1),
        pads,
        ceil_mode=ceil,
        count_include_pad=pick((False, True)),
    )


def _last_window_reads(size: int, kernel: int, before: int, after: int, stride: int) -> bool:
    """Whether the last window in ceil mode meets the image: a maximum of nothing is -3e38."""
    last = -(-(size + before + after - kernel) // stride) * stride
    return last < before + size


def resize(make, x, maps):
    """Nearest or linear, by whole factors or not."""
    pick = make.choices.pick
    height, width = make.shape(x)[2:]
    size = pick(((height * 2, width * 2), (height * 3, width), (height + 1, width * 2 - 1)))
    method = pick(("nearest_neighbor", "linear"))
    corners = ("align_corners",) if min(size) > 1 else ()  # TVM divides by size - 1
    mode = pick(("asymmetric", "half_pixel", *corners))
    return relay.image.resize2d(
        x, size, method=method, coordinate_transformation_mode=mode, rounding_method="floor"
    )


def transposed(make, x, maps):
    """A transposed convolution."""
    pick, number = make.choices.pick, make.choices.integer
    channels = make.shape(x)[1]
    groups = pick((1, 1, channels))
    out, kernel, stride = number(1, 3), pick((2, 3, 4)), pick((2, 1, 3))
    pads = [number(0, 1) if n > 1 else 0 for n in make.shape(x)[2:]]
    weight = make.weight(channels, out, kernel, kernel, fan=channels // groups * kernel)
    return relay.nn.conv2d_transpose(
        x,
        weight,
        strides=(stride, stride),
        padding=pads,
        output_padding=(number(0, stride - 1), 0),
        channels=out * groups,
        groups=groups,
        kernel_size=(kernel, kernel),
    )


def shuffle(make, x, maps):
    """Channel shuffle: reshape, transpose, reshape."""
    _, channels, height, width = make.shape(x)
    groups = make.choices.pick([g for g in range(1, channels + 1) if channels % g == 0])
    y = relay.reshape(x, (1, groups, channels // groups, height, width))
    y = relay.transpose(y, (0, 2, 1, 3, 4))
    return relay.reshape(y, (1, channels, height, width))


def split(make, x, maps):
    """Split channels (or rows), work on one part, join in another order."""
    axis = make.choices.pick((1, 2))
    size = make.shape(x)[axis]
    at = make.choices.integer(1, size - 1) if size > 1 else 1
    if at >= size:
        return relay.nn.relu(x)
    parts = relay.split(x, (at,), axis)
    return relay.concatenate([activation(make, parts[1]), parts[0]], axis)


def crop_and_pad(make, x, maps):
    """A strided slice and padding."""
    number, shape = make.choices.integer, make.shape(x)
    begin = [number(0, n - 1) for n in shape]
    end = [number(b + 1, n) for b, n in zip(begin, shape, strict=True)]
    strides = [number(1, 2) for _ in shape]
    y = relay.strided_slice(x, begin, end, strides)
    if make.choices.pick((False, True)):
        y = relay.reverse(y, make.choices.pick((1, 2, 3)))
    width = [(0, 0), *((number(0, 2), number(0, 2)) for _ in range(3))]
    return relay.nn.pad(y, width, pad_mode=make.choices.pick(("constant", "edge")))


def depth_space(make, x, maps):
    """Depth to space, or space to depth, where sizes allow."""
    _, channels, height, width = make.shape(x)
    if channels % 4 == 0:
        return relay.nn.depth_to_space(x, 2, mode=make.choices.pick(("DCR", "CRD")))
    if height % 2 == 0 and width % 2 == 0:
        return relay.nn.space_to_depth(x, 2)
    return relay.nn.leaky_relu(x, 0.2)


def normalize(make, x, maps):
    """Instance norm as importers write it, local response norm, batch norm, softmax."""
    kind = make.choices.pick(("instance", "lrn", "batch", "softmax"))
    channels = make.shape(x)[1]
    if kind == "lrn":
        return relay.nn.lrn(x, size=3)
    if kind == "softmax":
        return relay.nn.softmax(x, axis=make.choices.pick((1, 2, 3)))
    scale, shift = make.weight(channels, positive=True), make.weight(channels)
    if kind == "instance":
        return relay.nn.instance_norm(x, scale, shift)
    mean, variance = make.weight(channels), make.weight(channels, positive=True)
    return relay.nn.batch_norm(x, scale, shift, mean, variance)[0]


def tokens(make, x, maps):
    """Rows of pixels as tokens: attention, a feed-forward layer or a norm; and back."""
    _, channels, height, width = make.shape(x)
    y = relay.reshape(x, (1, channels, height * width))
    y = relay.transpose(y, (0, 2, 1))
    y = make.choices.pick((attention, feed_forward, layer_norm))(make, y)
    features = make.shape(y)[2]
    return relay.reshape(relay.transpose(y, (0, 2, 1)), (1, features, height, width))


def classify(make, x):
    """Flatten, dense, softmax."""
    y = relay.nn.batch_flatten(relay.nn.global_avg_pool2d(x) if make.choices.pick((0, 1)) else x)
    features, classes = make.shape(y)[1], make.channels(8)
    y = relay.nn.dense(y, make.weight(classes, features, fan=features), units=classes)
    return relay.nn.softmax(relay.nn.bias_add(y, make.weight(classes)))


def reduced(make, x):
    """A reduction over some axes."""
    name = make.choices.pick(("mean", "max", "sum", "min"))
    axis = make.choices.pick(((1,), (2, 3), (2,), (1, 2, 3)))
    return getattr(relay, name)(x, axis, keepdims=make.choices.pick((False, True)))


MAPS = (
    conv,
    conv,
    residual,
    inception,
    dense_connection,
    add_earlier,
    squeeze_excite,
    pool,
    resize,
    transposed,
    shuffle,
    split,
    crop_and_pad,
    depth_space,
    normalize,
    tokens,
)
ENDS = (classify, reduced)
