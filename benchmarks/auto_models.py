# SPDX-License-Identifier: Apache-2.0
"""Networks of .2 to 200 ms on one core, of many sorts; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from flexpie_tvm.lab.bench import Network, find_network
from flexpie_tvm.testing.onnx_builder import OnnxBuilder
from flexpie_tvm.testing.onnx_networks import bert, mobilenet, resnet


def mlp(folder: Path, layers: int, width: int, rows: int = 1) -> Path:
    """Dense layers of one width."""
    net = OnnxBuilder("mlp")
    x = net.input("x", (rows, width))
    for _ in range(layers):
        x = net.node("Relu", net.linear(x, width, width))
    return net.save(net.linear(x, width, 10), (rows, 10), folder / "mlp.onnx")


def convnet(folder: Path, size: int, width: int) -> Path:
    """Three 3x3 convolutions with pools between, and a classifier."""
    net = OnnxBuilder("convnet")
    x, inputs = net.input("image", (1, 3, size, size)), 3
    for outputs in (width, 2 * width, 4 * width):
        x = net.node("Relu", net.conv(x, inputs, outputs, 3))
        x, inputs = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), outputs
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.save(net.linear(x, inputs, 10), (1, 10), folder / "convnet.onnx")


def mobilenet_v2(folder: Path, size: int) -> Path:
    """Inverted residuals of MobileNet v2, width 1."""
    net = OnnxBuilder("mobilenet_v2")

    def relu6(y: str) -> str:
        return net.node("Clip", y, net.constant(np.float32(0)), net.constant(np.float32(6)))

    x, channels = relu6(net.conv(net.input("image", (1, 3, size, size)), 3, 32, 3, 2)), 32
    for factor, outputs, repeats, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):  # fmt: skip
        for repeat in range(repeats):
            stride, wide, given = (first if repeat == 0 else 1), channels * factor, x
            y = relu6(net.conv(x, channels, wide, 1)) if factor > 1 else x
            y = relu6(net.conv(y, wide, wide, 3, stride, wide))
            y = net.conv(y, wide, outputs, 1)
            x = net.node("Add", given, y) if stride == 1 and channels == outputs else y
            channels = outputs
    x = relu6(net.conv(x, channels, 1280, 1))
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.save(net.linear(x, 1280, 1000), (1, 1000), folder / "mobilenet_v2.onnx")


def unet(folder: Path, size: int, width: int) -> Path:
    """Down three times and up again, with skips."""
    net = OnnxBuilder("unet")

    def twice(x: str, inputs: int, outputs: int) -> str:
        x = net.node("Relu", net.conv(x, inputs, outputs, 3))
        return net.node("Relu", net.conv(x, outputs, outputs, 3))

    x, inputs, skips = net.input("image", (1, 3, size, size)), 3, []
    for outputs in (width, 2 * width, 4 * width):
        x = twice(x, inputs, outputs)
        skips.append((x, outputs))
        x, inputs = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), outputs
    x = twice(x, inputs, 2 * inputs)
    inputs *= 2
    for skip, outputs in reversed(skips):
        scales = net.constant(np.array([1, 1, 2, 2], "float32"))
        x = net.node("Resize", x, "", scales, mode="nearest")
        x = twice(net.node("Concat", x, skip, axis=1), inputs + outputs, outputs)
        inputs = outputs
    return net.save(net.conv(x, inputs, 2, 1), (1, 2, size, size), folder / "unet.onnx")


def detector(folder: Path, size: int) -> Path:
    """A small one-stage detector: a backbone and three heads joined by a top-down path."""
    net = OnnxBuilder("detector")

    def conv(x: str, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> str:
        y = net.conv(x, inputs, outputs, kernel, stride)
        return net.node("Mul", y, net.node("Sigmoid", y))

    x, channels, levels = conv(net.input("image", (1, 3, size, size)), 3, 16, 3, 2), 16, []
    for outputs in (32, 64, 128, 256):
        x = conv(x, channels, outputs, 3, 2)
        y = conv(conv(x, outputs, outputs // 2, 1), outputs // 2, outputs)
        x, channels = net.node("Add", x, y), outputs
        levels.append((x, outputs))
    found, above = [], None
    for level, outputs in reversed(levels[1:]):
        x = conv(level, outputs, 64, 1)
        if above is not None:
            scales = net.constant(np.array([1, 1, 2, 2], "float32"))
            x = net.node("Add", x, net.node("Resize", above, "", scales, mode="nearest"))
        above = conv(x, 64, 64)
        shape = net.constant(np.array([1, 24, -1]))
        found.append(net.node("Reshape", net.conv(above, 64, 24, 1), shape))
    cells = sum((size // stride) ** 2 for stride in (8, 16, 32))
    joined = net.node("Concat", *found, axis=2)
    return net.save(joined, (1, 24, cells), folder / "detector.onnx")


def upscaler(folder: Path, size: int) -> Path:
    """Superresolution by sub-pixels (ESPCN)."""
    net = OnnxBuilder("upscaler")
    x = net.node("Relu", net.conv(net.input("image", (1, 1, size, size)), 1, 64, 5))
    x = net.conv(net.node("Relu", net.conv(x, 64, 32, 3)), 32, 9, 3)
    x = net.node("DepthToSpace", x, blocksize=3)
    return net.save(x, (1, 1, 3 * size, 3 * size), folder / "upscaler.onnx")


def lstm(folder: Path, steps: int, inputs: int, hidden: int) -> Path:
    """One layer of LSTM over a sequence, and a classifier of each step."""
    net = OnnxBuilder("lstm")
    x = net.input("x", (steps, 1, inputs))
    wide = [net.weight(1, 4 * hidden, n, gain=1.0 * hidden) for n in (inputs, hidden)]
    y = net.node("LSTM", x, *wide, hidden_size=hidden)
    shape = net.constant(np.array([steps, hidden]))
    y = net.linear(net.node("Reshape", y, shape), hidden, 32)
    return net.save(y, (steps, 32), folder / "lstm.onnx")


#: Name -> writer of the network into a folder; the smallest first.
MADE: Mapping[str, Callable[[Path], Path]] = {
    "mlp 3x256": lambda folder: mlp(folder, 3, 256),
    "mlp 4x1024": lambda folder: mlp(folder, 4, 1024),
    "convnet 32": lambda folder: convnet(folder, 32, 16),
    "convnet 64": lambda folder: convnet(folder, 64, 32),
    "lstm 16x128": lambda folder: lstm(folder, 16, 64, 128),
    "mlp 3x512, 64 rows": lambda folder: mlp(folder, 3, 512, 64),
    "transformer 2x256": lambda folder: bert(folder, 2, 256, 4, 64),
    "mobilenet 96": lambda folder: mobilenet(folder, 96),
    "mobilenet_v2 128": lambda folder: mobilenet_v2(folder, 128),
    "upscaler 96": lambda folder: upscaler(folder, 96),
    "mobilenet 160": lambda folder: mobilenet(folder, 160),
    "resnet18 96": lambda folder: resnet(folder, 18, 96),
    "detector 256": lambda folder: detector(folder, 256),
    "mobilenet 224": lambda folder: mobilenet(folder, 224),
    "unet 96": lambda folder: unet(folder, 96, 16),
    "bert layer": lambda folder: bert(folder, 1),
    "resnet18 224": lambda folder: resnet(folder, 18),
    "unet 256": lambda folder: unet(folder, 256, 24),
    "resnet50 224": lambda folder: resnet(folder, 50),
}
#: Those of packages, beside them.
FOUND = ("ppocr_cls", "shufflenet", "squeezenet", "ppocr_rec", "ppocr_det", "inception_v1", "vgg19")
NAMES = (*MADE, *FOUND)


def network(name: str, folder: Path) -> Network:
    """A network's file, written if it is not there.

    Parameters
    ----------
    name : str
        One of ``NAMES``.
    folder : Path
        Where it is kept.
    """
    if name in FOUND:
        return find_network(name, {}, folder)
    plain = name.replace(",", "").replace(" ", "-")
    path = folder / f"{plain}.onnx"
    if not path.is_file():
        scratch = folder / f"{plain}.part"
        scratch.mkdir(parents=True, exist_ok=True)
        MADE[name](scratch).rename(path)
        scratch.rmdir()
    return Network(plain, path, {})
