# SPDX-License-Identifier: Apache-2.0
"""The contexts in which modules are compiled: with our passes over kernels, or with TVM's alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import tvm

from .configs import Measured, OwnConfigs
from .schedule_configs import ScheduleConfigs
from .tir.even_vectors import even_vectors
from .tir.floor_division import truncate_floor_divisions
from .tir.lane_reads import lane_reads
from .tir.root_powers import root_powers
from .tir.shuffled_reads import shuffled_reads
from .tir.vector_math import vector_erf, vector_math
from .tir.whole_tiles import whole_tiles

LOWER_PASSES = "tir.add_lower_pass"
OPT_LEVEL, UNSAID_LEVEL = 3, 2

# LLVM 22 rejects vectorised let-bindings: of common subexpressions, of floor divisions.
LOWERED_CONFIG = {"tir.disable_cse_tir": True}
STOCK_CONFIG = LOWERED_CONFIG | {
    LOWER_PASSES: [(1, truncate_floor_divisions())],
}
CONFIG = STOCK_CONFIG | {
    LOWER_PASSES: [
        (1, even_vectors()),
        (1, truncate_floor_divisions()),
        (1, root_powers()),
        (1, vector_erf()),
        (1, whole_tiles()),
        (2, shuffled_reads()),
        (3, lane_reads()),
        (3, vector_math()),  # when vectors are such, and unsafe selections are branches
    ]
}
PREOPTIMIZED = ("AlterOpLayout", "FoldConstant", "FoldScaleAxis")
SIMPLIFIERS = ("SimplifyExpr", "SimplifyExprPostAlterOp")


@contextmanager
def build_context(laid_out: bool, opt_level: int | None = None, measured: Measured | None = None):
    """Pass context of every build, without the network look-up of schedules.

    What the caller's own context says is kept (`context_over`). Kernels of ours are taken for
    targets with our key (`keyed`).

    Parameters
    ----------
    laid_out : bool
        Whether the module's layouts are chosen, and it is simplified and folded.
    opt_level : int, optional
        TVM's; by default the caller's, or 3.
    measured : mapping, optional
        Configurations of kernels, as of `build_boards`.
    """
    # The whole model is simplified, folded and laid out already; again per tile costs minutes.
    # What boards compute is never simplified: as TVM writes x + x as 2 * x it makes a copy of what
    # x comes from, and a board would meet that exchange twice.
    disabled = [*SIMPLIFIERS, *(PREOPTIMIZED if laid_out else ())]
    context = context_over(CONFIG, disabled, opt_level)
    with _no_schedules_from_the_network(), OwnConfigs(measured), context:
        yield


def context_over(
    config: Mapping[str, Any], disabled: Sequence[str] = (), opt_level: int | None = None
) -> tvm.transform.PassContext:
    """A pass context of ours over the caller's: its instruments, options and passes stay.

    Parameters
    ----------
    config : mapping
        Options that we need; passes over kernels come before the caller's.
    disabled : sequence of str
        Passes that are disabled beside the caller's.
    opt_level : int, optional
        By default the caller's; where that is 2, which TVM takes if nobody says it, 3.
    """
    outer = tvm.transform.PassContext.current()
    theirs = dict(outer.config.items()) if outer.config is not None else {}
    if LOWER_PASSES in config:
        ours = list(config[LOWER_PASSES])
        known = [kernel_pass for _, kernel_pass in ours]
        ours += [one for one in theirs.get(LOWER_PASSES, ()) if not any(map(one[1].same_as, known))]
        config = {**config, LOWER_PASSES: ours}
    if opt_level is None:
        opt_level = OPT_LEVEL if outer.opt_level == UNSAID_LEVEL else int(outer.opt_level)
    return tvm.transform.PassContext(
        opt_level,
        [*map(str, outer.required_pass)],
        [*dict.fromkeys([*disabled, *map(str, outer.disabled_pass)])],
        outer.instruments,
        {**theirs, **config},
    )


@contextmanager
def stock_context():
    """TVM's own pipeline and schedules; of ours only what LLVM 22 cannot do without.

    ARM's schedules get tiles too, without which nobody would use them.
    """
    with (
        _no_schedules_from_the_network(),
        ScheduleConfigs(),
        tvm.transform.PassContext(opt_level=3, config=STOCK_CONFIG),
    ):
        yield


@contextmanager
def _no_schedules_from_the_network():
    before = os.environ.get("TOPHUB_LOCATION")
    os.environ["TOPHUB_LOCATION"] = "NONE"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TOPHUB_LOCATION"]
        else:
            os.environ["TOPHUB_LOCATION"] = before
