# SPDX-License-Identifier: Apache-2.0
"""Draws of functions, products, normalizations and recurrent networks."""

from __future__ import annotations

import numpy as np

from .draws import Draw, flip, floats, int64, one_of, sizes

#: Function -> first opset, ranges of its attributes.
FUNCTIONS: dict[str, tuple[int, dict[str, tuple[float, float]]]] = {
    "Abs": (6, {}), "Acos": (7, {}), "Acosh": (9, {}), "Asin": (7, {}), "Asinh": (9, {}),
    "Atan": (7, {}), "Atanh": (9, {}), "Ceil": (6, {}), "Celu": (12, {"alpha": (0.5, 2.0)}),
    "Cos": (7, {}), "Cosh": (9, {}), "Elu": (6, {"alpha": (0.5, 2.0)}), "Erf": (9, {}),
    "Exp": (6, {}), "Floor": (6, {}), "Gelu": (20, {}),
    "HardSigmoid": (6, {"alpha": (0.1, 0.3), "beta": (0.4, 0.6)}), "HardSwish": (14, {}),
    "Identity": (1, {}), "IsInf": (10, {}), "IsNaN": (9, {}),
    "LeakyRelu": (6, {"alpha": (0.01, 0.5)}), "Log": (6, {}), "Mish": (18, {}), "Neg": (6, {}),
    "Reciprocal": (6, {}), "Relu": (6, {}), "Round": (11, {}),
    "Selu": (6, {"alpha": (1.5, 1.7), "gamma": (1.0, 1.1)}),
    "Shrink": (9, {"bias": (0.0, 0.2), "lambd": (0.3, 0.6)}), "Sigmoid": (6, {}), "Sign": (9, {}),
    "Sin": (7, {}), "Sinh": (9, {}), "Softplus": (1, {}), "Softsign": (1, {}), "Sqrt": (6, {}),
    "Tan": (7, {}), "Tanh": (6, {}), "ThresholdedRelu": (10, {"alpha": (0.2, 1.0)}),
}  # fmt: skip
POSITIVE = ("Log", "Sqrt", "Reciprocal")
SMALL = ("Acos", "Asin", "Atanh", "Tan")


def function(rng: np.random.Generator, opset: int) -> Draw:
    """A function of each element, also of large ones."""
    names = [name for name, (first, _) in FUNCTIONS.items() if first <= opset]
    name = one_of(rng, *names)
    x = floats(rng, *sizes(rng, int(rng.integers(1, 4)))) * np.float32(one_of(rng, 1, 4))
    if name in POSITIVE:
        x = np.abs(x) + np.float32(0.1)
    if name in SMALL:
        x = np.clip(x / 4, -0.9, 0.9)
    if name == "Acosh":
        x = np.abs(x) + np.float32(1.1)
    if name in ("Softplus", "Mish", "Sigmoid", "Tanh", "Elu") and flip(rng):
        x = x * np.float32(40)
    chosen = FUNCTIONS[name][1] if flip(rng) else {}
    attributes: dict = {k: float(rng.uniform(*span)) for k, span in chosen.items()}
    if name == "Gelu":
        attributes["approximate"] = one_of(rng, "none", "tanh")
    if name == "IsInf":
        x.ravel()[0] = one_of(rng, np.inf, -np.inf)
        attributes = {"detect_negative": one_of(rng, 0, 1), "detect_positive": one_of(rng, 0, 1)}
    return Draw(name, [x], attributes)


def clip(rng: np.random.Generator, opset: int) -> Draw:
    """Bounds on both sides, one, or none; constants or data; floats or integers."""
    x = floats(rng, *sizes(rng, int(rng.integers(1, 4))))
    low, high = (one_of(rng, None, None, 0.0, float(rng.uniform(-1, 1))) for _ in range(2))
    if opset < 11:
        low, high = (low, high) if None in (low, high) else sorted((low, high))
        return Draw("Clip", [x], {"min": low, "max": high})
    kind = one_of(rng, "float32", "float32", "int64", "int32") if opset >= 12 else "float32"
    x = (x * 4).astype(kind)
    bounds = [None if b is None else np.array(b * 4).astype(kind) for b in (low, high)]
    return Draw("Clip", [x, *bounds], constant=[1, 2] if rng.random() < 0.7 else [1])


def pair(rng: np.random.Generator, opset: int) -> Draw:
    """An operator of two tensors that are broadcast."""
    name = one_of(
        rng, "Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Max", "Min", "Mean", "Sum", "Equal",
        "Greater", "Less", "Where", "Mod", "And", "Or", "Xor",
    )  # fmt: skip
    shape = sizes(rng, int(rng.integers(1, 4)))
    a, b = floats(rng, *shape), floats(rng, *(n if flip(rng) else 1 for n in shape))
    if name not in ("PRelu",) and flip(rng):
        b = b[0]
    if name == "Pow":
        a = np.abs(a) + np.float32(0.1)
    if name == "Equal" and opset < 11:
        a, b = a.astype("int32"), b.astype("int32")
    if name in ("And", "Or", "Xor"):
        return Draw(name, [a > 0, b > 0])
    if name in ("Greater", "Less") and opset < 9:
        name = "Add"
    if name in ("Max", "Min") and opset < 8:
        b = np.broadcast_to(b, a.shape).copy()
    if name in ("Mean", "Sum") and opset < 8:
        b = np.broadcast_to(b, a.shape).copy()
    if name == "Where":
        return Draw(name if opset >= 9 else "Add", [a > 0, a, b] if opset >= 9 else [a, b])
    if name == "Mod":
        if opset < 10:
            return Draw("Mul", [a, b])
        if flip(rng):
            return Draw("Mod", [a, b + np.float32(3)], {"fmod": 1})
        ints = [(a * 10).astype("int32"), np.where(b > 0, 3, -4).astype("int32")]
        return Draw("Mod", ints)
    return Draw(name, [a, b], constant=[1] if flip(rng) else [])


def softmax(rng: np.random.Generator, opset: int) -> Draw:
    """Softmax and its kin along any axis, also of large elements."""
    rank = int(rng.integers(1, 5))
    x = floats(rng, *sizes(rng, rank)) * np.float32(one_of(rng, 1, 60))
    axis = int(rng.integers(rank))
    axis = axis - rank if opset >= 11 and flip(rng) else axis
    kind = one_of(rng, "Softmax", "LogSoftmax", "Hardmax")
    return Draw(kind, [x], {"axis": axis if rank == 1 or flip(rng) else None})


def matmul(rng: np.random.Generator, opset: int) -> Draw:
    """Products of matrices, stacks of them, and vectors."""
    if flip(rng):
        m, k, n = sizes(rng, 3)
        ta, tb = flip(rng), flip(rng)
        a, b = floats(rng, *((k, m) if ta else (m, k))), floats(rng, *((n, k) if tb else (k, n)))
        c = floats(rng, *one_of(rng, (n,), (m, n), (1, n), (m, 1), ()))
        attributes = {"transA": int(ta), "transB": int(tb), "alpha": 0.5, "beta": 1.5}
        inputs = [a, b, c] if opset < 11 or flip(rng) else [a, b]
        return Draw("Gemm", inputs, attributes, [1, 2] if flip(rng) else [])
    m, k, n = sizes(rng, 3)
    batch = sizes(rng, int(rng.integers(0, 3)))
    a = floats(rng, *((k,) if rng.random() < 0.2 else (*batch, m, k)))
    other = one_of(rng, (k,), (k, n), (*batch, k, n), (*(1 for _ in batch), k, n))
    return Draw("MatMul", [a, floats(rng, *other)], constant=[1] if flip(rng) else [])


def normalization(rng: np.random.Generator, opset: int) -> Draw:
    """Normalizations along channels, groups or trailing axes."""
    kind = one_of(
        rng, "BatchNormalization", "InstanceNormalization", "LRN", "LpNormalization",
        "LayerNormalization", "MeanVarianceNormalization", "GroupNormalization",
    )  # fmt: skip
    x = floats(rng, 2, 4, *sizes(rng, 2, 2, 5))
    if kind == "LayerNormalization" and opset >= 17:
        axis = int(rng.integers(1, 4)) - 4 * flip(rng)
        scale, bias = floats(rng, *x.shape[axis:]), floats(rng, *x.shape[axis:])
        inputs = [x, scale, bias] if flip(rng) else [x, scale]
        return Draw(kind, inputs, {"axis": axis, "epsilon": 1e-3}, [1, 2])
    if kind == "GroupNormalization" and opset >= 21:
        return Draw(kind, [x, floats(rng, 4), floats(rng, 4)], {"num_groups": 2}, [1, 2])
    if kind == "LRN":
        return Draw(kind, [x], {"size": one_of(rng, 1, 3, 5), "alpha": 0.1, "bias": 1.5})
    if kind == "LpNormalization":
        return Draw(kind, [x], {"axis": int(rng.integers(-1, 4)), "p": one_of(rng, 1, 2)})
    if kind == "MeanVarianceNormalization" and opset >= 9:
        return Draw(kind, [x], {"axes": one_of(rng, None, [0, 2, 3], [2, 3], [1])})
    if kind == "InstanceNormalization":
        return Draw(kind, [x, floats(rng, 4), floats(rng, 4)], {"epsilon": 1e-2}, [1, 2])
    inputs = [x, *(floats(rng, 4) for _ in range(3)), np.abs(floats(rng, 4)) + np.float32(0.1)]
    return Draw("BatchNormalization", inputs, {"epsilon": 1e-2}, [1, 2, 3, 4])


def recurrent(rng: np.random.Generator, opset: int) -> Draw:
    """Recurrent networks in every direction, with short sequences."""
    kind = one_of(rng, "RNN", "GRU", "LSTM")
    length, batch, features, hidden = 3, int(rng.integers(1, 3)), 2, int(rng.integers(1, 4))
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    direction = one_of(rng, "forward", "reverse", "bidirectional")
    both = 2 if direction == "bidirectional" else 1
    inputs: list = [
        floats(rng, length, batch, features),
        floats(rng, both, gates * hidden, features),
        floats(rng, both, gates * hidden, hidden),
        floats(rng, both, 2 * gates * hidden) if flip(rng) else None,
        rng.integers(1, length + 1, batch).astype("int32") if flip(rng) else None,
        floats(rng, both, batch, hidden) if flip(rng) else None,
    ]
    attributes: dict = {"hidden_size": hidden, "direction": direction}
    if kind == "GRU":
        attributes["linear_before_reset"] = one_of(rng, 0, 1)
    if kind == "LSTM":
        inputs.append(floats(rng, both, batch, hidden) if flip(rng) else None)
        inputs.append(floats(rng, both, 3 * hidden) if flip(rng) else None)
        attributes["input_forget"] = one_of(rng, 0, 0, 1)
    if rng.random() < 0.3:
        attributes["clip"] = 0.8
    constant = [1, 2, 3] + ([4] if flip(rng) else []) + [5, 6, 7]
    return Draw(kind, inputs, attributes, constant, 3 if kind == "LSTM" else 2)


def integers(rng: np.random.Generator, opset: int) -> Draw:
    """Quantizing and products of integers."""
    x = floats(rng, 3, 4)
    kind = one_of(rng, "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast")
    scale = np.array(0.05, "float32")
    dtype = one_of(rng, "uint8", "int8")
    zero = np.array(one_of(rng, 0, 3), dtype)
    if kind == "QuantizeLinear" and opset >= 10:
        return Draw(kind, [x, scale, zero], constant=[1, 2])
    if kind == "DequantizeLinear" and opset >= 10:
        q = rng.integers(0, 100, (3, 4)).astype(dtype)
        return Draw(kind, [q, scale, zero], constant=[1, 2])
    if kind == "DynamicQuantizeLinear" and opset >= 11:
        return Draw(kind, [x], outputs=3)
    if opset >= 10 and flip(rng):
        a = rng.integers(0, 100, (3, 4)).astype("uint8")
        b = rng.integers(0, 100, (4, 2)).astype(dtype)
        zeros = [np.array(5, "uint8"), np.array(7, dtype)]
        given = [a, b, *zeros[: int(rng.integers(3))]]
        return Draw("MatMulInteger", given, constant=[1, 2, 3] if flip(rng) else [2, 3])
    to = one_of(rng, 6, 7, 9, 11)  # int32, int64, bool, float64
    return Draw("Cast", [x * 5], {"to": to})


def einsum(rng: np.random.Generator, opset: int) -> Draw:
    """Sums of products."""
    if opset < 12:
        return matmul(rng, opset)
    text = one_of(rng, "ij,jk->ik", "bij,bjk->bik", "bhid,bhjd->bhij", "ij->ji", "bij,jk->bik")
    known = dict(zip("bhijkd", sizes(rng, 6, 2, 4), strict=True))
    shapes = [[known[c] for c in term] for term in text.split("->")[0].split(",")]
    return Draw("Einsum", [floats(rng, *shape) for shape in shapes], {"equation": text})


def gather_nd(rng: np.random.Generator, opset: int) -> Draw:
    """Elements by several indices each."""
    if opset < 12:
        return softmax(rng, opset)
    x = floats(rng, 3, 4, 5)
    indices = int64([[0, 1], [2, 3], [1, 0]]) * one_of(rng, 1, -1)
    if flip(rng):
        return Draw("GatherND", [x, indices])
    return Draw("GatherND", [x, int64([[0], [2], [1]])], {"batch_dims": 1})


def dropout(rng: np.random.Generator, opset: int) -> Draw:
    """A dropout that drops nothing."""
    x = floats(rng, 2, 3)
    if opset < 12:
        return Draw("Dropout", [x], {"ratio": 0.5})
    return Draw("Dropout", [x, np.array(0.5, "float32"), np.array(False)], constant=[1, 2])


def attention(rng: np.random.Generator, opset: int) -> Draw:
    """Scaled products of queries and keys."""
    if opset < 23:
        return matmul(rng, opset)
    q, kv = one_of(rng, (2, 2), (4, 2))
    query, key = floats(rng, 1, 3, q * 4), floats(rng, 1, 5, kv * 4)
    mask = one_of(rng, None, floats(rng, 3, 5), floats(rng, 3, 5) > -0.5)
    attributes = {
        "q_num_heads": q,
        "kv_num_heads": kv,
        "is_causal": one_of(rng, 0, 1) if mask is None else 0,
        "softcap": one_of(rng, 0.0, 2.0),
    }
    return Draw("Attention", [query, key, floats(rng, 1, 5, kv * 4), mask], attributes)
