# SPDX-License-Identifier: Apache-2.0
"""TVM's targets: with and without the key of our kernels, and their vector units."""

from __future__ import annotations

from functools import lru_cache

import tvm
from tvm.target.codegen import llvm_get_system_triple, target_has_features

from ..machine import VectorUnit, caches_of, vector_unit
from ..machine.processors import FEATURES

#: Of targets whose kernels and schedules are ours.
KEY = "flexpie"
#: Of targets for which a whole model is laid out.
LAYOUT_KEY = "flexpie_layout"
KEYS = (KEY, LAYOUT_KEY)
#: Libraries that multiply matrices themselves, and take plain weights.
LIBRARIES = ("cblas", "mkl", "dnnl")


def keyed(target: tvm.target.Target | str, key: str = KEY) -> tvm.target.Target:
    """The target, with our kernels before TVM's.

    Parameters
    ----------
    target : tvm.target.Target or str
        As a user gives it.
    key : str
        `KEY` for kernels, `LAYOUT_KEY` for the layout of a model.
    """
    target = tvm.target.Target(target)
    return _with_keys(target, [key, *_others(target)])


def unkeyed(target: tvm.target.Target) -> tvm.target.Target:
    """The target with TVM's own kernels."""
    return _with_keys(target, _others(target))


def name_of(target: tvm.target.Target) -> str:
    """The target as text, without our keys and without the host that TVM adds to it."""
    described = {k: v for k, v in dict(target.export()).items() if k != "host"}
    return str(_with_keys(tvm.target.Target(described), _others(target)))


def unit_of(target: tvm.target.Target) -> VectorUnit | None:
    """The vector unit of a target; None if kernels of ours know none.

    LLVM says which features a processor has. A target with the schedules of one architecture and
    the code of another has no unit.
    """
    return _unit_of(str(target)) if target.kind.name == "llvm" and "cpu" in target.keys else None


def cache_of(target: tvm.target.Target) -> int:
    """Bytes of the last cache of a target's processor that is counted on."""
    return caches_of(_triple(target), str(target.attrs.get("mcpu", ""))).l2


def current_unit() -> VectorUnit | None:
    """The vector unit that kernels are being built for."""
    target = tvm.target.Target.current(allow_none=True)
    return None if target is None else unit_of(target)


@lru_cache(64)  # TVM's passes ask for every kernel
def _unit_of(text: str) -> VectorUnit | None:
    target = tvm.target.Target(text)
    triple = _triple(target)
    if vector_unit(triple) is None:  # LLVM may crash on what it was built without
        return None
    features = [("-", "+")[target_has_features(name, target)] + name for name in FEATURES]
    unit = vector_unit(triple, str(target.attrs.get("mcpu", "")), features)
    return unit if unit.is_arm == ("arm_cpu" in target.keys) else None


def _triple(target: tvm.target.Target) -> str:
    return str(target.attrs.get("mtriple", "") or llvm_get_system_triple())


def _others(target: tvm.target.Target) -> list[str]:
    return [str(key) for key in target.keys if key not in KEYS]


def _with_keys(target: tvm.target.Target, keys: list[str]) -> tvm.target.Target:
    if list(target.keys) == keys:
        return target
    return tvm.target.Target(dict(target.export()) | {"keys": keys})
