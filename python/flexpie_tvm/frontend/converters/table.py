# SPDX-License-Identifier: Apache-2.0
"""Which operators have a converter of ours."""

from __future__ import annotations

from . import (
    activation,
    attention,
    cast,
    convolve,
    gather,
    normalize,
    pad,
    parts,
    pool,
    products,
    quantized_recurrent,
    recurrent,
    reduce,
    regions,
    resize,
    scatter,
    spectral,
)
from .node import Converter

#: Of the standard.
CONVERTERS: dict[str, Converter] = {
    **reduce.REDUCTIONS,
    "ArgMax": reduce.arg_reduction,
    "ArgMin": reduce.arg_reduction,
    "Attention": attention.attention,
    "AveragePool": pool.average_pool,
    "BatchNormalization": normalize.batch_normalization,
    "Cast": cast.cast,
    "CastLike": cast.cast_like,
    "Clip": activation.clip,
    "ConvTranspose": convolve.conv_transpose,
    "DFT": spectral.dft,
    "DeformConv": convolve.deformable_conv,
    "DequantizeLinear": cast.quantize,
    "Dropout": activation.dropout,
    "GRU": recurrent.recurrent,
    "GatherElements": gather.gather_elements,
    "GatherND": gather.gather_nd,
    "Gelu": activation.gelu,
    "GridSample": regions.grid_sample,
    "GroupNormalization": normalize.group_normalization,
    "LSTM": recurrent.recurrent,
    "LogSoftmax": normalize.log_softmax,
    "LpNormalization": normalize.lp_normalization,
    "LpPool": pool.lp_pool,
    "MatMul": products.matmul,
    "MaxPool": pool.max_pool,
    "MaxUnpool": pool.max_unpool,
    "Mean": activation.mean,
    "NonMaxSuppression": regions.non_max_suppression,
    "OneHot": parts.one_hot,
    "Pad": pad.pad,
    "QuantizeLinear": cast.quantize,
    "RNN": recurrent.recurrent,
    "Resize": resize.resize,
    "RoiAlign": regions.roi_align,
    "Scatter": scatter.scatter_elements,
    "ScatterElements": scatter.scatter_elements,
    "ScatterND": scatter.scatter_nd,
    "Softplus": activation.softplus,
    "Split": parts.split,
    "TopK": parts.top_k,
    "Unsqueeze": parts.unsqueeze,
    "Upsample": resize.resize,
}
#: Of onnxruntime's own domain, ``com.microsoft``.
CONTRIBUTED: dict[str, Converter] = {"DynamicQuantizeLSTM": quantized_recurrent.dynamic_lstm}


def converter_of(domain: str, operator: str) -> Converter | None:
    """The converter of an operator; None where it is TVM's, or there is none."""
    tables = {"": CONVERTERS, "ai.onnx": CONVERTERS, "com.microsoft": CONTRIBUTED}
    return tables.get(domain, {}).get(operator)
