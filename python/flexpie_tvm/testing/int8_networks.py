# SPDX-License-Identifier: Apache-2.0
"""Quantized networks as ONNX files (QDQ), as onnxruntime's static quantizer makes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

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
