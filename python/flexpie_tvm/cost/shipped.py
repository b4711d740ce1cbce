# SPDX-License-Identifier: Apache-2.0
"""Cost models that come with the package, for boards that many users have."""

from __future__ import annotations

from pathlib import Path

from .cost_file import load_cost
from .learned import Learned

MODELS = Path(__file__).parent / "models"


def shipped_cost(target: str, threads: int) -> Learned | None:
    """The packaged cost model that was measured with a target and a number of threads.

    Parameters
    ----------
    target : str
        TVM target of the boards' kernels.
    threads : int
        Threads of each board's kernels.

    Returns
    -------
    cost : Learned or None
        None if there is none for such boards.
    """
    for path in sorted(MODELS.glob("*.cost")):
        cost = load_cost(path)
        if (cost.origin.setting.target, cost.origin.setting.threads) == (target, threads):
            return cost
    return None
