# SPDX-License-Identifier: Apache-2.0
"""Networks whose times are published for many boards, as their papers define them.

Batch normalisation is part of the convolution before it, as engines fold it, and weights are
zero: neither changes what is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .definition import RELU6, Definition

_CLASSES = 1000


def squeezenet() -> Definition:
    """SqueezeNet 1.1 at 227 x 227."""
    net = Definition(3, 227, 227)
    x = net.pool(net.convolution("data", 64, 3, 2), 3, 2)
    for place, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    ):
        small = net.convolution(x, squeeze, 1)
        wide = net.convolution(small, expand, 3, pad=1)
        x = net.concat(net.convolution(small, expand, 1), wide)
        if place in (1, 3):
            x = net.pool(x, 3, 2)
    net.softmax(net.global_pool(net.convolution(x, _CLASSES, 1)))
    return net


def mobilenet() -> Definition:
    """MobileNet v1 1.0 at 224 x 224."""
    net = Definition(3, 224, 224)
    x, channels = net.convolution("data", 32, 3, 2, 1), 32
    wanted = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5)
    for outputs, stride in (*wanted, (1024, 2), (1024, 1)):
        x = net.convolution(x, channels, 3, stride, 1, groups=channels)
        x, channels = net.convolution(x, outputs, 1), outputs
    net.softmax(net.dense(net.global_pool(x), channels, _CLASSES))
    return net


def mobilenet_v2() -> Definition:
    """MobileNet v2 1.0 at 224 x 224."""
    net = Definition(3, 224, 224)
    x, channels = net.convolution("data", 32, 3, 2, 1, activation=RELU6), 32
    for factor, outputs, repeats, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):  # fmt: skip
        for repeat in range(repeats):
            stride, wide, given = (first if repeat == 0 else 1), channels * factor, x
            y = net.convolution(x, wide, 1, activation=RELU6) if factor > 1 else x
            y = net.convolution(y, wide, 3, stride, 1, groups=wide, activation=RELU6)
            y = net.convolution(y, outputs, 1, activation="")
            x = net.add(given, y) if stride == 1 and channels == outputs else y
            channels = outputs
    x = net.convolution(x, 1280, 1, activation=RELU6)
    net.softmax(net.dense(net.global_pool(x), 1280, _CLASSES))
    return net


def googlenet() -> Definition:
    """GoogLeNet, that is Inception v1, at 224 x 224."""
    net = Definition(3, 224, 224)
    x = net.normalise(net.pool(net.convolution("data", 64, 7, 2, 3), 3, 2))
    x = net.convolution(net.convolution(x, 64, 1), 192, 3, pad=1)
    x = net.pool(net.normalise(x), 3, 2)
    for place, (one, three, wide, five, broad, pooled) in enumerate((
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128), (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    )):  # fmt: skip
        x = net.concat(
            net.convolution(x, one, 1),
            net.convolution(net.convolution(x, three, 1), wide, 3, pad=1),
            net.convolution(net.convolution(x, five, 1), broad, 5, pad=2),
            net.convolution(net.pool(x, 3, 1, 1), pooled, 1),
        )
        if place in (1, 6):
            x = net.pool(x, 3, 2)
    net.softmax(net.dense(net.global_pool(x), 1024, _CLASSES))
    return net


def alexnet() -> Definition:
    """AlexNet at 227 x 227, with convolutions in two groups."""
    net = Definition(3, 227, 227)
    x = net.pool(net.normalise(net.convolution("data", 96, 11, 4)), 3, 2)
    x = net.pool(net.normalise(net.convolution(x, 256, 5, pad=2, groups=2)), 3, 2)
    x = net.convolution(x, 384, 3, pad=1)
    x = net.convolution(x, 384, 3, pad=1, groups=2)
    x = net.pool(net.convolution(x, 256, 3, pad=1, groups=2), 3, 2)
    x = net.dense(net.dense(x, 256 * 36, 4096, "9=1"), 4096, 4096, "9=1")
    net.softmax(net.dense(x, 4096, _CLASSES))
    return net


def vgg16() -> Definition:
    """VGG-16 at 224 x 224."""
    net = Definition(3, 224, 224)
    x = "data"
    for outputs, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            x = net.convolution(x, outputs, 3, pad=1)
        x = net.pool(x, 2, 2)
    x = net.dense(net.dense(x, 512 * 49, 4096, "9=1"), 4096, 4096, "9=1")
    net.softmax(net.dense(x, 4096, _CLASSES))
    return net


def resnet18() -> Definition:
    """ResNet-18 at 224 x 224."""

    def block(net: Definition, x: str, width: int, stride: int) -> str:
        y = net.convolution(x, width, 3, stride, 1)
        return net.convolution(y, width, 3, pad=1, activation="")

    return _residual((2, 2, 2, 2), 1, block)


def resnet50() -> Definition:
    """ResNet-50 at 224 x 224, whose strides are in the first convolution of a block."""

    def block(net: Definition, x: str, width: int, stride: int) -> str:
        y = net.convolution(net.convolution(x, width, 1, stride), width, 3, pad=1)
        return net.convolution(y, 4 * width, 1, activation="")

    return _residual((3, 4, 6, 3), 4, block)


def _residual(
    stages: tuple[int, ...], factor: int, block: Callable[[Definition, str, int, int], str]
) -> Definition:
    net = Definition(3, 224, 224)
    x, channels = net.pool(net.convolution("data", 64, 7, 2, 3), 3, 2), 64
    for place, repeats in enumerate(stages):
        width = 64 << place
        for repeat in range(repeats):
            stride = 2 if place and repeat == 0 else 1
            outputs, past = width * factor, x
            if stride > 1 or channels != outputs:
                past = net.convolution(x, outputs, 1, stride, activation="")
            x = net.relu(net.add(past, block(net, x, width, stride)))
            channels = outputs
    net.softmax(net.dense(net.global_pool(x), channels, _CLASSES))
    return net


#: Name as in published tables -> how it is made.
USUAL: Mapping[str, Callable[[], Definition]] = {
    make.__name__: make
    for make in (
        squeezenet, mobilenet, mobilenet_v2, googlenet, alexnet, resnet18, resnet50, vgg16,
    )
}  # fmt: skip
