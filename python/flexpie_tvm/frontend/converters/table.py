# SPDX-License-Identifier: Apache-2.0
"""Which operators have a converter of ours."""

from __future__ import annotations

from . import (
    activation,
    attention,
    cast,
    convolve,
    determinant,
    features,
    gather,
    loss,
    normalize,
    pad,
    parts,
    patches,
    pool,
    products,
    quantized_recurrent,
    recurrent,
    reduce,
    regions,
    resize,
    scatter,
    spectral,
    terms,
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
    "Col2Im": patches.col2im,
    "ConvTranspose": convolve.conv_transpose,
    "DFT": spectral.dft,
    "DeformConv": patches.deformable_conv,
    "DequantizeLinear": cast.quantize,
    "Det": determinant.determinant,
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
    "MatMulInteger": products.matmul_integer,
    "MaxPool": pool.max_pool,
    "MaxUnpool": pool.max_unpool,
    "Mean": activation.mean,
    "Mish": activation.mish,
    "NegativeLogLikelihoodLoss": loss.negative_log_likelihood,
    "NonMaxSuppression": regions.non_max_suppression,
    "OneHot": parts.one_hot,
    "Pad": pad.pad,
    "QLinearMatMul": products.qlinear_matmul,
    "QuantizeLinear": cast.quantize,
    "RNN": recurrent.recurrent,
    "Resize": resize.resize,
    "RoiAlign": regions.roi_align,
    "STFT": spectral.stft,
    "Scatter": scatter.scatter_elements,
    "ScatterElements": scatter.scatter_elements,
    "ScatterND": scatter.scatter_nd,
    "SoftmaxCrossEntropyLoss": loss.softmax_cross_entropy,
    "Softplus": activation.softplus,
    "Split": parts.split,
    "TfIdfVectorizer": terms.tf_idf,
    "TopK": parts.top_k,
    "Unique": regions.unique,
    "Unsqueeze": parts.unsqueeze,
    "Upsample": resize.resize,
}
#: Of the standard's domain for classic machine learning, ``ai.onnx.ml``.
OF_FEATURES: dict[str, Converter] = {
    "ArrayFeatureExtractor": features.array_feature_extractor,
    "Binarizer": features.binarizer,
}
#: Of onnxruntime's own domain, ``com.microsoft``.
CONTRIBUTED: dict[str, Converter] = {"DynamicQuantizeLSTM": quantized_recurrent.dynamic_lstm}


def converter_of(domain: str, operator: str) -> Converter | None:
    """The converter of an operator; None where it is TVM's, or there is none.

    Parameters
    ----------
    domain : str
        ONNX's own (``""`` or ``ai.onnx``), ``ai.onnx.ml`` or ``com.microsoft``.
    operator : str
        Its ``op_type``.
    """
    tables = {
        "": CONVERTERS,
        "ai.onnx": CONVERTERS,
        "ai.onnx.ml": OF_FEATURES,
        "com.microsoft": CONTRIBUTED,
    }
    return tables.get(domain, {}).get(operator)
