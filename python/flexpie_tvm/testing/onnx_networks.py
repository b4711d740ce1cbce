# SPDX-License-Identifier: Apache-2.0
"""The networks of the paper's evaluation as ONNX files with random weights.

MobileNet, ResNet-18, ResNet-101 and BERT (FlexPie, section 5): no package carries them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .onnx_builder import OnnxBuilder

#: Depthwise-separable blocks of MobileNet: output channels, stride.
_MOBILENET = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    *((512, 1),) * 5, (1024, 2), (1024, 1),
)  # fmt: skip
#: Blocks per stage, and whether blocks have bottlenecks.
_RESNET = {18: ((2, 2, 2, 2), False), 50: ((3, 4, 6, 3), True), 101: ((3, 4, 23, 3), True)}


def mobilenet(folder: Path, size: int = 224) -> Path:
    """MobileNet of width 1.

    Parameters
    ----------
    folder : Path
        Where ``mobilenet.onnx`` is written.
    size : int
        Rows and columns of the image.
    """
    net = OnnxBuilder("mobilenet")
    x = _conv_relu(net, net.input("image", (1, 3, size, size)), 3, 32, 3, 2)
    channels = 32
    for outputs, stride in _MOBILENET:
        x = _conv_relu(net, x, channels, channels, 3, stride, channels)
        x = _conv_relu(net, x, channels, outputs, 1)
        channels = outputs
    return net.save(_classifier(net, x, channels), (1, 1000), folder / "mobilenet.onnx")


def resnet(folder: Path, depth: int = 18, size: int = 224) -> Path:
    """ResNet for ImageNet.

    Parameters
    ----------
    folder : Path
        Where ``resnet<depth>.onnx`` is written.
    depth : {18, 50, 101}
        Number of layers.
    size : int
        Rows and columns of the image.
    """
    blocks, bottleneck = _RESNET[depth]
    net = OnnxBuilder(f"resnet{depth}")
    x = _conv_relu(net, net.input("image", (1, 3, size, size)), 3, 64, 7, 2)
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, count in enumerate(blocks):
        width = 64 << stage
        outputs = width * 4 if bottleneck else width
        for block in range(count):
            stride = 2 if stage and not block else 1
            x = _residual(net, x, (channels, width, outputs), stride, bottleneck)
            channels = outputs
    return net.save(_classifier(net, x, channels), (1, 1000), folder / f"resnet{depth}.onnx")


def bert(
    folder: Path, layers: int = 12, hidden: int = 768, heads: int = 12, tokens: int = 128
) -> Path:
    """A BERT encoder over embedded tokens.

    Parameters
    ----------
    folder : Path
        Where ``bert.onnx`` is written.
    layers, hidden, heads, tokens : int
        Its size; ``heads`` divides ``hidden``.
    """
    net = OnnxBuilder("bert")
    x = net.input("embedded", (1, tokens, hidden))
    for _ in range(layers):
        x = net.layer_norm(net.node("Add", x, _attention(net, x, hidden, heads, tokens)), hidden)
        wide = net.gelu(net.linear(x, hidden, 4 * hidden))
        x = net.layer_norm(net.node("Add", x, net.linear(wide, 4 * hidden, hidden)), hidden)
    return net.save(x, (1, tokens, hidden), folder / "bert.onnx")


def _attention(net: OnnxBuilder, x: str, hidden: int, heads: int, tokens: int) -> str:
    shape = net.constant(np.array([1, tokens, heads, hidden // heads]))

    def split(perm: list[int]) -> str:
        return net.node(
            "Transpose", net.node("Reshape", net.linear(x, hidden, hidden), shape), perm=perm
        )

    query, key, value = split([0, 2, 1, 3]), split([0, 2, 3, 1]), split([0, 2, 1, 3])
    scale = net.constant(np.float32((hidden // heads) ** -0.5))
    scores = net.node("Softmax", net.node("Mul", net.node("MatMul", query, key), scale), axis=-1)
    mixed = net.node("Transpose", net.node("MatMul", scores, value), perm=[0, 2, 1, 3])
    joined = net.node("Reshape", mixed, net.constant(np.array([1, tokens, hidden])))
    return net.linear(joined, hidden, hidden)


def _residual(
    net: OnnxBuilder, x: str, channels: tuple[int, int, int], stride: int, bottleneck: bool
) -> str:
    inputs, width, outputs = channels
    if bottleneck:
        y = _conv_relu(net, x, inputs, width, 1)
        y = net.conv(_conv_relu(net, y, width, width, 3, stride), width, outputs, 1)
    else:
        y = net.conv(_conv_relu(net, x, inputs, width, 3, stride), width, outputs, 3)
    if stride != 1 or inputs != outputs:
        x = net.conv(x, inputs, outputs, 1, stride)
    return net.node("Relu", net.node("Add", x, y))


def _conv_relu(net: OnnxBuilder, x: str, *shape: int) -> str:
    return net.node("Relu", net.conv(x, *shape))


def _classifier(net: OnnxBuilder, x: str, channels: int) -> str:
    pooled = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.linear(pooled, channels, 1000)


#: Name -> writer of the network into a folder.
MADE: Mapping[str, Callable[[Path], Path]] = {
    "mobilenet": mobilenet,
    "resnet18": resnet,
    "resnet101": lambda folder: resnet(folder, 101),
    "bert": bert,
}
