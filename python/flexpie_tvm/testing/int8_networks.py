# SPDX-License-Identifier: Apache-2.0
"""Quantized networks as ONNX files (QDQ), as onnxruntime's static quantizer makes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from .choices import Choices
from .onnx_builder import OnnxBuilder

#: Depthwise separable blocks of `int8_mobile`: output channels, stride.
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
_CALIBRATION = 4  # random inputs that show the ranges of activations


def int8_conv(folder: Path, channels: int = 64, size: int = 56) -> Path:
    """One 3x3 convolution with ReLU of what a ReLU gave; all in int8, a scale per tensor.

    Parameters
    ----------
    folder : Path
        Where ``int8_conv.onnx`` is written.
    channels, size : int
        In and out; rows and columns.
    """
    net, shape = OnnxBuilder("int8_conv"), (1, channels, size, size)
    y = net.node("Relu", net.conv(net.input("image", shape), channels, channels, 3))
    return _quantized(net, y, shape, shape, folder / "int8_conv.onnx", (0, 1), False)


def int8_mobile(folder: Path, size: int = 96) -> Path:
    """Depthwise separable blocks with residuals; uint8 activations, int8 weights per channel.

    Parameters
    ----------
    folder : Path
        Where ``int8_mobile.onnx`` is written.
    size : int
        Rows and columns of the image.
    """
    net, shape = OnnxBuilder("int8_mobile"), (1, 3, size, size)
    x = net.node("Relu", net.conv(net.input("image", shape), 3, 32, 3, 2))
    channels = 32
    for outputs, stride in _BLOCKS:
        y = net.node("Relu", net.conv(x, channels, channels, 3, stride, channels))
        y = net.node("Relu", net.conv(y, channels, outputs, 1))
        x = net.node("Add", x, y) if stride == 1 and channels == outputs else y
        channels = outputs
    pooled = net.node("Flatten", net.node("GlobalAveragePool", x))
    y = net.linear(pooled, channels, 100)
    return _quantized(net, y, shape, (1, 100), folder / "int8_mobile.onnx", (-1, 1), True)


def random_int8(choices: Choices, folder: Path, steps: int = 2) -> Path:
    """Some convolutions of any usual kind, some with residuals, and maybe a classifier.

    Parameters
    ----------
    choices : Choices
        Where decisions come from.
    folder : Path
        Where ``random_int8.onnx`` is written.
    steps : int
        Convolutions behind the first, at most.
    """
    number, pick = choices.integer, choices.pick
    net, size = OnnxBuilder("random_int8", number(0, 9999)), number(5, 14)
    channels, shape = 4 * number(1, 6), (1, 3, size, number(5, 14))
    x = net.node("Relu", net.conv(net.input("image", shape), 3, channels, 3))
    rows, columns = shape[2:]
    for _ in range(number(1, steps)):
        kernel, stride = pick((3, 1, 5)), pick((1, 1, 2))
        groups = pick((1, 1, channels))
        outputs = channels if groups > 1 else pick((channels, 4 * number(1, 6)))
        y = net.node("Relu", net.conv(x, channels, outputs, kernel, stride, groups))
        is_same = (stride, outputs) == (1, channels)
        x = net.node("Add", x, y) if is_same and pick((True, False)) else y
        channels, rows, columns = outputs, -(-rows // stride), -(-columns // stride)
    path, unsigned = folder / "random_int8.onnx", pick((True, False))
    if pick((True, False)):
        pooled = net.node("Flatten", net.node("GlobalAveragePool", x))
        classes = number(1, 20)
        x = net.linear(pooled, channels, classes)
        return _quantized(net, x, shape, (1, classes), path, (-1, 1), unsigned)
    return _quantized(net, x, shape, (1, channels, rows, columns), path, (-1, 1), unsigned)


def last_step(path: Path) -> float:
    """The step in which a quantized model's answer is quantized."""
    model = onnx.load(str(path))
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    last = [n for n in model.graph.node if n.op_type == "DequantizeLinear"][-1]
    return float(values[last.input[1]])


def _quantized(
    net: OnnxBuilder,
    output: str,
    shape: tuple[int, ...],
    out_shape: tuple[int, ...],
    path: Path,
    values: tuple[float, float],
    unsigned: bool,
) -> Path:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as scratch:
        plain = net.save(output, out_shape, Path(scratch) / "plain.onnx")
        folded = Path(scratch) / "folded.onnx"  # batch normalisation in weights
        quant_pre_process(str(plain), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded),
            str(path),
            _Images(shape, values),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=unsigned,
        )
    return path


class _Images:
    """What the quantizer calls a calibration data reader."""

    def __init__(self, shape: tuple[int, ...], values: tuple[float, float]):
        rng = np.random.default_rng(1)
        images = (rng.uniform(*values, shape).astype("float32") for _ in range(_CALIBRATION))
        self._inputs: Iterator[Mapping] = ({"image": image} for image in images)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self._inputs, None)


#: Name -> writer of the network into a folder.
QUANTIZED: Mapping[str, Callable[[Path], Path]] = {
    "int8_conv": int8_conv,
    "int8_mobile": int8_mobile,
}
