# SPDX-License-Identifier: Apache-2.0
"""Kernels of integers give numpy's integers, with the instructions that they are meant to use."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tvm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import te
from tvm.target.codegen import target_has_features

from flexpie_tvm.kernels.blocked_depthwise import blocked_depthwise, schedule_blocked_depthwise
from flexpie_tvm.kernels.integer_conv import integer_conv, schedule_integer_conv
from flexpie_tvm.kernels.integer_dense import (
    block_of_columns,
    integer_dense,
    schedule_integer_dense,
)
from flexpie_tvm.kernels.products import (
    MADDWD,
    SDOT,
    SMLAL,
    SMULL,
    SMULL_SMLAL,
    VNNI,
    Products,
    products_of,
)

from .blocked import blocked, compiled, convolved, packed, plain

COMPILED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
A72, A76 = (f"llvm -mtriple=aarch64-linux-gnu -mcpu={cpu} -keys=arm_cpu,cpu"
            for cpu in ("cortex-a72", "cortex-a76"))  # fmt: skip
CASCADE_LAKE, HASWELL = "llvm -mcpu=cascadelake", "llvm -mcpu=haswell"
WIDE = Products("vpmaddwd", 2, "int16", "int16", (8, 4))


def host(products: Products) -> str | None:
    """A target of this machine that has an instruction; None if it has none."""
    if products == SMLAL:
        return "llvm"  # in C's terms, so any machine computes it
    if tvm.target.codegen.llvm_get_system_triple().startswith("x86_64"):
        cpu = tvm.target.codegen.llvm_get_system_cpu()
        target = f"llvm -mcpu={cpu}"
        wanted = {VNNI: ["avx512vnni", "avx512vl"], MADDWD: ["avx512bw"], WIDE: ["avx2"]}
        if products in wanted and target_has_features(wanted[products], tvm.target.Target(target)):
            return target
    return None


HERE = [products for products in (SMLAL, VNNI, MADDWD, WIDE) if host(products) is not None]


def result(kernel, inputs, shape) -> np.ndarray:
    """What a kernel computes; its memory holds an unlikely number before."""
    out = tvm.nd.array(np.full([int(n) for n in shape], -(2**30), "int32"))
    kernel(*map(tvm.nd.array, inputs), out)
    return out.numpy()


def together(weights: np.ndarray, products: Products) -> np.ndarray:
    """OIHW[x]i[y]o -> OIHW[x/t]i[y]o[t]i."""
    *outer, depth, block = weights.shape
    split = weights.reshape(*outer, depth // products.together, products.together, block)
    return np.ascontiguousarray(split.swapaxes(-1, -2)).astype(products.weight)


def numbers(rng: np.random.Generator, dtype: str, shape) -> np.ndarray:
    """Random integers over the whole range of a type."""
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def conv_kernel(products: Products, data, kernel, strides, padding, dilation, around=0):
    """Schedule and tensors of a convolution."""
    tensors = [te.placeholder(v.shape, str(v.dtype), f"p{k}") for k, v in enumerate((data, kernel))]
    out = integer_conv(*tensors, strides, padding, dilation, around, products)
    return schedule_integer_conv([out], products, 32, 1 << 18), [*tensors, out]


@given(
    products=st.sampled_from(HERE),
    blocks=st.sampled_from([(4, 4), (4, 8), (16, 16), (8, 12), (16, 4)]),
    counts=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 13), st.integers(1, 33)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]),
    around=st.integers(0, 255),
    seed=st.integers(0, 99),
)
@COMPILED
def test_a_convolution_of_any_size_is_numpys(
    products, blocks, counts, size, window, strides, padding, dilation, around, seed
):
    spans = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    size = [max(n, span) for n, span in zip(size, spans, strict=True)]
    rng = np.random.default_rng(seed)
    inputs, outputs = (b * n for b, n in zip(blocks, counts, strict=True))
    image = numbers(rng, "uint8", (1, inputs, *size))
    weights = numbers(rng, "int8", (outputs, inputs, *window))
    top, left, bottom, right = padding
    frame = ((0, 0), (0, 0), (top, bottom), (left, right))
    whole = np.pad(image, frame, constant_values=around)
    expected = convolved(whole, weights.astype(int), strides, (0, 0, 0, 0), dilation)
    arrays = blocked(image, blocks[0]), together(packed(weights, *blocks), products)
    schedule, tensors = conv_kernel(products, *arrays, strides, padding, dilation, around)
    got = plain(result(compiled(schedule, tensors, host(products)), arrays, tensors[-1].shape))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("dtype", "out"), [("int16", "int32"), ("float32", "float32")])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_a_depthwise_convolution_is_numpys(dtype, out, strides):
    rng = np.random.default_rng(3)
    image = numbers(rng, "uint8", (1, 12, 11, 18))
    weights = numbers(rng, "int8", (12, 1, 3, 3))
    whole = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 0)), constant_values=9)
    expected = convolved(whole, weights.astype(int), strides, (0, 0, 0, 0), depthwise=True)
    arrays = blocked(image, 4), packed(weights, 1, 4).astype(dtype)
    data, kernel = (te.placeholder(v.shape, str(v.dtype), f"p{k}") for k, v in enumerate(arrays))
    made = blocked_depthwise(data, kernel, strides, (1, 1, 1, 0), (1, 1), out, 9, dtype)
    sums = te.compute(made.shape, lambda *at: made[at].astype("int32"), tag="elemwise")
    schedule = schedule_blocked_depthwise([sums], 32)
    got = plain(result(compiled(schedule, [data, kernel, sums]), arrays, sums.shape))
    np.testing.assert_array_equal(got, expected)


@given(
    products=st.sampled_from(HERE),
    rows=st.integers(1, 40),
    columns=st.sampled_from([4, 12, 16, 40, 64]),
    depth=st.sampled_from([4, 20, 64, 96]),
    seed=st.integers(0, 99),
)
@COMPILED
def test_a_product_of_matrices_is_numpys(products, rows, columns, depth, seed):
    rng = np.random.default_rng(seed)
    data, weights = numbers(rng, "uint8", (rows, depth)), numbers(rng, "int8", (columns, depth))
    block, t = block_of_columns(columns, products), products.together
    split = weights.reshape(columns // block, block, depth // t, t).transpose(0, 2, 1, 3)
    arrays = data.astype(products.data), np.ascontiguousarray(split).astype(products.weight)
    tensors = [te.placeholder(v.shape, str(v.dtype), f"p{k}") for k, v in enumerate(arrays)]
    out = integer_dense(*tensors, products)
    schedule = schedule_integer_dense([out], products, 32)
    kernel = compiled(schedule, [*tensors, out], host(products))
    got = result(kernel, arrays, out.shape)
    np.testing.assert_array_equal(got, data.astype(int) @ weights.T.astype(int))


@pytest.mark.parametrize(
    ("target", "weight", "expected"),
    [(A72, "int8", SMULL), (A72, "int16", SMLAL), (A76, "int8", SDOT), (A76, "int16", SMLAL),
     (CASCADE_LAKE, "int8", VNNI), (CASCADE_LAKE, "int16", MADDWD), (HASWELL, "int8", WIDE),
     ("llvm -mcpu=x86-64", "int8", None), ("llvm -mtriple=armv7a-linux-gnueabihf -keys=arm_cpu,cpu",
                                           "int8", None)],
)  # fmt: skip
def test_the_instruction_is_what_the_target_has(target, weight, expected):
    assert products_of(tvm.target.Target(target), weight) == expected


def test_weights_that_are_not_the_least_let_products_be_added_to_each_other():
    a72, a76 = tvm.target.Target(A72), tvm.target.Target(A76)
    assert products_of(a72, "int8", least=-127) == SMULL_SMLAL
    assert products_of(a72, "int8", least=-128) == SMULL
    assert products_of(a76, "int8", least=-127) == SDOT


PATTERNS = {
    SMULL: r"\bsadalp\s+v\d+\.4s, v\d+\.8h",
    SMULL_SMLAL: r"\bsmlal\s+v\d+\.8h, v\d+\.8b, v\d+\.8b",
    SDOT: r"\bsdot\s+v\d+\.4s, v\d+\.16b, v\d+\.4b\[\d\]",
    SMLAL: r"\bsmlal\s+v\d+\.4s, v\d+\.4h, v\d+\.h\[\d\]",
    VNNI: r"\bvpdpbusd\b",
    WIDE: r"\bvpmaddwd\b",
}


@pytest.mark.parametrize(
    ("products", "target", "block"),
    [
        (SDOT, A76, 4),
        (SMULL, A72, 4),
        (SMULL_SMLAL, A72, 4),
        (SMLAL, A72, 4),
        (VNNI, CASCADE_LAKE, 16),
        (WIDE, HASWELL, 8),
    ],
)
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 1)])
def test_the_instruction_is_in_the_code(products, target, block, window, stride):
    image = np.zeros((1, 64 // block, 28, 28, block), "uint8")
    weights = np.zeros((64 // block, 64 // block, window, window, block, block), "int8")
    padding = (window // 2,) * 4
    schedule, tensors = conv_kernel(
        products, image, together(weights, products), (stride, stride), padding, (1, 1)
    )
    assembly = compiled(schedule, tensors, target).get_source("asm")
    found = len(re.findall(PATTERNS[products], assembly))
    assert found >= 12 * window * block // products.together // (block // 4) // products.steps
    if products in (SDOT, SMLAL, SMULL_SMLAL):  # pixels are read as vectors, none alone
        assert not re.findall(r"\bld1r\b", assembly)
