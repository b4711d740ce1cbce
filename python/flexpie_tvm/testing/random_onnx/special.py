# SPDX-License-Identifier: Apache-2.0
"""Draws of operators that few networks have: spectra, patches, losses, blocks, determinants."""

from __future__ import annotations

import numpy as np

from .draws import Draw, flip, floats, int64, one_of, sizes


def spectrum(rng: np.random.Generator, opset: int) -> Draw:
    """Fourier transforms of signals, whole or by frames."""
    onesided = one_of(rng, 0, 1)
    if opset < 17:
        return Draw("Softplus", [floats(rng, 3)])
    if flip(rng):
        length, step = int(rng.integers(4, 9)), int(rng.integers(1, 5))
        x = floats(rng, int(rng.integers(1, 3)), int(rng.integers(12, 30)), 1)
        window = floats(rng, length) if flip(rng) else None
        inputs = [x, np.array(step, "int64"), window, np.array(length, "int64")]
        return Draw("STFT", inputs, {"onesided": one_of(rng, None, onesided)}, [1, 2, 3])
    x = floats(rng, 2, int(rng.integers(4, 12)), one_of(rng, 1, 2))
    inverse = one_of(rng, 0, 1) if x.shape[-1] == 2 else 0
    given = {"onesided": onesided if x.shape[-1] == 1 else 0, "inverse": inverse}
    length = np.array(int(rng.integers(3, x.shape[1] + 1)), "int64") if flip(rng) else None
    if opset < 20:
        return Draw("DFT", [x, length], given | {"axis": 1}, [1])
    return Draw("DFT", [x, length, np.array(1, "int64")], given, [1, 2])


def patches(rng: np.random.Generator, opset: int) -> Draw:
    """Windows put together to an image, of one axis to three."""
    if opset < 18:
        return Draw("Softsign", [floats(rng, 3)])
    axes = int(rng.integers(1, 4))
    window, strides = list(sizes(rng, axes, 1, 3)), list(sizes(rng, axes, 1, 2))
    # onnxruntime puts dilated windows of other axes than two elsewhere than the standard says
    dilations = list(sizes(rng, axes, 1, 2)) if axes == 2 else [1] * axes
    pads = [int(n) for n in rng.integers(0, 2, 2 * axes)]
    image = list(sizes(rng, axes, 5, 7))
    counts = [
        (n + a + b - (k - 1) * d - 1) // s + 1
        for n, a, b, k, d, s in zip(
            image, pads[:axes], pads[axes:], window, dilations, strides, strict=True
        )
    ]
    x = floats(rng, int(rng.integers(1, 3)), 2 * int(np.prod(window)), int(np.prod(counts)))
    given = {"pads": pads, "strides": strides, "dilations": dilations}
    return Draw("Col2Im", [x, int64(image), int64(window)], given, [1, 2])


def deformed(rng: np.random.Generator, opset: int) -> Draw:
    """Convolutions whose windows are data, with masks."""
    if opset < 19:
        return Draw("Sigmoid", [floats(rng, 3)])
    groups, own, kernel = one_of(rng, 1, 2), one_of(rng, 1, 2), sizes(rng, 2, 1, 3)
    x = floats(rng, int(rng.integers(1, 3)), 4, *sizes(rng, 2, 5, 7))
    w = floats(rng, 4, 4 // own, *kernel)
    strides, dilations = sizes(rng, 2, 1, 2), sizes(rng, 2, 1, 2)
    pads = [int(n) for n in rng.integers(0, 2, 4)]
    out = [
        (n + a + b - (k - 1) * d - 1) // s + 1
        for n, a, b, k, d, s in zip(
            x.shape[2:], pads[:2], pads[2:], kernel, dilations, strides, strict=True
        )
    ]
    elements = groups * int(np.prod(kernel))
    offsets = floats(rng, x.shape[0], 2 * elements, *out)
    mask = floats(rng, x.shape[0], elements, *out) if rng.random() < 0.7 else None
    attributes = {
        "group": own, "offset_group": groups, "strides": list(strides),
        "dilations": list(dilations), "pads": pads,
    }  # fmt: skip
    return Draw("DeformConv", [x, w, offsets, floats(rng, 4), mask], attributes, [1, 3])


def volumes(rng: np.random.Generator, opset: int) -> Draw:
    """A volume seen at given places."""
    if opset < 20:
        return Draw("Tanh", [floats(rng, 3)])
    x = floats(rng, 1, 2, *sizes(rng, 3, 2, 5))
    grid = rng.uniform(-1.2, 1.2, (1, *sizes(rng, 3, 1, 4), 3)).astype("float32")
    attributes = {
        "mode": one_of(rng, "linear", "nearest"),
        "padding_mode": one_of(rng, "zeros", "border", "reflection"),
        "align_corners": one_of(rng, 0, 1),
    }
    return Draw("GridSample", [x, grid], attributes)


def determinant(rng: np.random.Generator, opset: int) -> Draw:
    """Determinants, also of matrices with a zero where elimination begins."""
    if opset < 11:
        return Draw("Abs", [floats(rng, 3)])
    n = int(rng.integers(1, 6))
    x = floats(rng, *sizes(rng, int(rng.integers(0, 3)), 1, 3), n, n)
    if flip(rng):
        x[..., 0, 0] = 0
    return Draw("Det", [x])


def quantized_blocks(rng: np.random.Generator, opset: int) -> Draw:
    """Integers with a scale for each block."""
    if opset < 21:
        return Draw("Neg", [floats(rng, 3)])
    shape = sizes(rng, int(rng.integers(1, 4)), 2, 6)
    axis, size = int(rng.integers(len(shape))), int(rng.integers(1, 4))
    blocks = [-(-n // size) if a == axis else n for a, n in enumerate(shape)]
    scale = np.abs(floats(rng, *blocks)) + np.float32(0.05)
    dtype = one_of(rng, "uint8", "int8")
    zero = rng.integers(0, 20, blocks).astype(dtype)
    attributes = {"axis": axis, "block_size": size}
    if flip(rng):
        return Draw("QuantizeLinear", [floats(rng, *shape), scale, zero], attributes, [1, 2])
    q = rng.integers(0, 100, shape).astype(dtype)
    return Draw("DequantizeLinear", [q, scale, zero], attributes, [1, 2])


def terms(rng: np.random.Generator, opset: int) -> Draw:
    """Counts of sequences of numbers."""
    if opset < 9:
        return Draw("Exp", [floats(rng, 3)])
    words = rng.integers(0, 4, sizes(rng, int(rng.integers(1, 3)), 4, 9)).astype(
        one_of(rng, "int32", "int64")
    )
    ones = [int(n) for n in rng.permutation(4)[:3]]
    pairs = [int(n) for n in rng.permutation(16)[:4]]
    pool = ones + [word for pair in pairs for word in divmod(pair, 4)]
    low = one_of(rng, 1, 2)
    attributes = {
        "mode": one_of(rng, "TF", "IDF", "TFIDF"), "min_gram_length": low,
        "max_gram_length": one_of(rng, low, 2), "max_skip_count": int(rng.integers(0, 3)),
        "ngram_counts": [0, 3], "ngram_indexes": [int(n) for n in rng.permutation(7)],
        "pool_int64s": pool,
        "weights": [float(w) for w in rng.uniform(0.5, 2, 7)] if flip(rng) else None,
    }  # fmt: skip
    return Draw("TfIdfVectorizer", [words], attributes)


def loss(rng: np.random.Generator, opset: int) -> Draw:
    """Losses of labels, some of which count not."""
    if opset < 13:
        return Draw("Relu", [floats(rng, 3)])
    kind = one_of(rng, "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
    rest = sizes(rng, int(rng.integers(0, 3)), 1, 4)
    batch, classes = 3, int(rng.integers(2, 6))
    labels = rng.integers(0, classes, (batch, *rest)).astype(one_of(rng, "int32", "int64"))
    ignored = one_of(rng, None, 1, -7)
    if ignored == -7:
        labels.ravel()[0] = ignored
    weights = np.abs(floats(rng, classes)) + np.float32(0.1) if flip(rng) else None
    attributes = {"reduction": one_of(rng, "none", "mean", "sum"), "ignore_index": ignored}
    outputs = 2 if kind.startswith("Softmax") and flip(rng) else 1
    constant = [1, 2] if flip(rng) else [2]
    inputs = [floats(rng, batch, classes, *rest), labels, weights]
    return Draw(kind, inputs, attributes, constant, outputs)
