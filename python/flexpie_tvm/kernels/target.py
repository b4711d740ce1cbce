# SPDX-License-Identifier: Apache-2.0
"""TVM's targets: with and without the key of our kernels, and their vector units."""

from __future__ import annotations

import tvm
from tvm.target.codegen import llvm_get_system_triple
from tvm.target.x86 import get_simd_32bit_lanes

from ..machine import AVX2, AVX512, NEON, SSE, VectorUnit

#: Of targets whose kernels and schedules are ours.
KEY = "flexpie"
#: Of targets for which a whole model is laid out.
LAYOUT_KEY = "flexpie_layout"
KEYS = (KEY, LAYOUT_KEY)
#: Libraries that multiply matrices themselves, and take plain weights.
LIBRARIES = ("cblas", "mkl", "dnnl")


def keyed(target: tvm.target.Target | str, key: str = KEY) -> tvm.target.Target:
    """The target, with our kernels before TVM's."""
    target = tvm.target.Target(target)
    return _with_keys(target, [key, *_others(target)])


def unkeyed(target: tvm.target.Target) -> tvm.target.Target:
    """The target with TVM's own kernels."""
    return _with_keys(target, _others(target))


def unit_of(target: tvm.target.Target) -> VectorUnit | None:
    """The vector unit of a target; None if kernels of ours know none.

    A target with the schedules of one architecture and the code of another has none either.
    """
    if target.kind.name != "llvm" or "cpu" not in target.keys:
        return None
    triple = str(target.attrs.get("mtriple", "") or llvm_get_system_triple())
    if "arm_cpu" in target.keys:
        return NEON if triple.startswith(("aarch64", "arm64")) else None
    if not triple.startswith(("x86_64", "i686")):
        return None
    with target:
        lanes = get_simd_32bit_lanes()
    return next(unit for unit in (AVX512, AVX2, SSE) if unit.lanes == lanes)


def current_unit() -> VectorUnit | None:
    """The vector unit that kernels are being built for."""
    target = tvm.target.Target.current(allow_none=True)
    return None if target is None else unit_of(target)


def _others(target: tvm.target.Target) -> list[str]:
    return [str(key) for key in target.keys if key not in KEYS]


def _with_keys(target: tvm.target.Target, keys: list[str]) -> tvm.target.Target:
    if list(target.keys) == keys:
        return target
    return tvm.target.Target(dict(target.export()) | {"keys": keys})
