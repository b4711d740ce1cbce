# SPDX-License-Identifier: Apache-2.0
"""Which vector unit a processor has, by the names that LLVM gives it and its features."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .vector_unit import AVX, AVX2, AVX512, NEON, SSE, VectorUnit

#: Processors of x86 by their level; all others have that of SSE.
X86_LEVELS = (
    (AVX512, (
        "cannonlake", "cascadelake", "cooperlake", "diamondrapids", "emeraldrapids",
        "graniterapids", "graniterapids-d", "icelake-client", "icelake-server", "rocketlake",
        "sapphirerapids", "skx", "skylake-avx512", "tigerlake", "x86-64-v4", "znver4", "znver5",
    )),
    (AVX2, (
        "alderlake", "arrowlake", "arrowlake-s", "bdver4", "broadwell", "clearwaterforest",
        "core-avx2", "gracemont", "grandridge", "haswell", "knl", "knm", "lunarlake",
        "meteorlake", "pantherlake", "raptorlake", "sierraforest", "skylake", "x86-64-v3",
        "znver1", "znver2", "znver3",
    )),
    (AVX, (
        "bdver1", "bdver2", "bdver3", "btver2", "core-avx-i", "corei7-avx", "ivybridge",
        "sandybridge",
    )),
)  # fmt: skip
#: LLVM's features that make a level of x86.
_X86_FEATURES = ((AVX512, ("avx512f", "avx512bw")), (AVX2, ("avx2",)), (AVX, ("avx",)))
#: Processors of x86 with dot products of 8 bits.
_X86_DOTS = frozenset((
    "alderlake", "arrowlake", "arrowlake-s", "cascadelake", "clearwaterforest", "cooperlake",
    "diamondrapids", "emeraldrapids", "gracemont", "grandridge", "graniterapids",
    "graniterapids-d", "icelake-client", "icelake-server", "lunarlake", "meteorlake",
    "pantherlake", "raptorlake", "rocketlake", "sapphirerapids", "sierraforest", "tigerlake",
    "znver4", "znver5",
))  # fmt: skip
_VNNI = ("avx512vnni", "avxvnni")
#: Cores with instructions for dot products of 8 bits and for numbers of 16 bits.
_ARM_8_2 = frozenset((
    "cortex-a55", "cortex-a75", "cortex-a76", "cortex-a77", "cortex-a78", "neoverse-n1",
))  # fmt: skip
_DOT_PRODUCT, _FP16 = ("dotprod",), ("fullfp16",)
#: All features that are looked at.
FEATURES = (
    *(feature for _, features in _X86_FEATURES for feature in features),
    *_VNNI, *_DOT_PRODUCT, *_FP16,
)  # fmt: skip


def vector_unit(triple: str, mcpu: str = "", mattr: Collection[str] = ()) -> VectorUnit | None:
    """The vector unit of a processor; the least of its architecture if it is not known.

    Parameters
    ----------
    triple : str
        Architecture, vendor and system, such as ``aarch64-linux-gnu``.
    mcpu : str
        LLVM's name of the processor.
    mattr : collection of str
        LLVM's features, each after the sign ``+`` or ``-``.

    Returns
    -------
    unit : VectorUnit or None
        None for architectures that are not known: 64-bit ARM and x86 are.

    Examples
    --------
    >>> vector_unit("aarch64-linux-gnu", "cortex-a76").dot_product
    True
    >>> vector_unit("x86_64-linux-gnu", "core-avx2", ["-avx2"]).name
    'avx'
    """
    on = {feature[1:] for feature in mattr if feature.startswith("+")}
    off = {feature[1:] for feature in mattr if feature.startswith("-")}
    if triple.startswith(("aarch64", "arm64")):
        modern = mcpu in _ARM_8_2
        dots, halves = (_has(modern, names, on, off) for names in (_DOT_PRODUCT, _FP16))
        return replace(NEON, dot_product=dots, fp16=halves)
    if triple.startswith(("x86_64", "i686")):
        unit = _x86_unit(mcpu, on, off)
        dots = unit in (AVX2, AVX512) and _has(mcpu in _X86_DOTS, _VNNI, on, off)
        return replace(unit, dot_product=dots)
    return None


def _has(own: bool, names: tuple[str, ...], on: set[str], off: set[str]) -> bool:
    """Whether there is a feature of some names, which a processor has of its own or has not."""
    return bool(on & set(names)) or (own and not off >= set(names))


def _x86_unit(mcpu: str, on: set[str], off: set[str]) -> VectorUnit:
    own = next((unit for unit, names in X86_LEVELS if mcpu in names), SSE)
    levels = [unit for unit, _ in _X86_FEATURES]
    has = set(levels[levels.index(own) :] if own in levels else ())
    has |= {unit for unit, features in _X86_FEATURES if on >= set(features)}
    for place, (_, features) in enumerate(_X86_FEATURES):
        if off & set(features):  # nor what builds on it
            has -= set(levels[: place + 1])
    return next((unit for unit in levels if unit in has), SSE)
