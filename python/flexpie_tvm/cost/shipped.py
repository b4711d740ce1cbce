# SPDX-License-Identifier: Apache-2.0
"""Cost models that come with the package, for boards that many users have."""

from __future__ import annotations

from pathlib import Path

from .cost_file import load_cost
from .learned import Learned

MODELS = Path(__file__).parent / "models"
# What kernels and their block sizes depend on most, among processors of x86-64.
VECTORS = "avx512f"


def shipped_cost(target: str, threads: int) -> Learned | None:
    """The packaged cost model for boards of a target and a number of threads.

    Parameters
    ----------
    target : str
        TVM target of the boards' kernels.
    threads : int
        Threads of each board's kernels.

    Returns
    -------
    cost : Learned or None
        The one that was measured with just these; else one that was measured on another
        processor with the same vectors (its `origin` tells), whose kernels relate to each other
        much as the boards' do; None if there is neither.
    """
    like = None
    for path in sorted(MODELS.glob("*.cost")):
        cost = load_cost(path)
        measured = cost.origin.setting
        if measured.threads != threads:
            continue
        if measured.target == target:
            return cost
        if like is None and _alike(measured.target, target):
            like = cost
    return like


def _alike(first: str, second: str) -> bool:
    """Whether both targets have wide vectors, and code for one machine is no other's code."""
    # planning itself needs no TVM, and a TVM without Relay is told elsewhere
    import tvm
    from tvm.target import codegen

    targets = [tvm.target.Target(text) for text in (first, second)]
    return all(
        target.kind.name == "llvm"
        and not target.attrs.get("mtriple")
        and codegen.target_has_features(VECTORS, target)
        for target in targets
    )
