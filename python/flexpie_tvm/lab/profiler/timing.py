# SPDX-License-Identifier: Apache-2.0
"""Time compiled tiles on one board with TVM's ``time_evaluator``.

A planner wants the time of a layer inside a running model. There its input has just been
written by the layer before, while its weights were used one inference ago, and its output goes
to memory that other layers have used since. So every timing is one call, before which the native
runtime leaves the caches like that (``between_layers.cc``). A loop of calls keeps everything
close to the core and looks faster than the model; docs/profiler.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tvm

from ...runtime.native import native_library, target_arch
from ...runtime.session import Session
from .kernels import CompiledTile, KernelCall

#: Timings per round, and rounds at most. A round ends the measurement once it is steady.
ROUND, ROUNDS = 7, 4
STEADY = 0.01
#: A tile that takes longer than this (seconds) is timed in one round only.
LONG = 0.1


class BoardTimer:
    """Times tiles on one board.

    Parameters
    ----------
    session : Session
        The board.
    target : str
        Its target.

    Raises
    ------
    ClusterError
        If the native runtime for it is not built.
    """

    def __init__(self, session: Session, target: str):
        self._session = session
        session.load_once(native_library(target_arch(target)))
        self._between_layers = session.remote.get_function("flexpie.between_layers")
        self._fill = session.remote.get_function("tvm.contrib.random.random_fill")

    def load(self, library) -> tvm.runtime.Module:
        """Upload and load a batch's library; keep what is returned while its tiles are timed."""
        return self._session.load(library)

    def time(self, library: tvm.runtime.Module, tile: CompiledTile) -> np.ndarray:
        """Milliseconds of every repeat of a tile: the sum of its kernels."""
        repeats = [self.kernel(library, call) for call in tile.calls]
        if not repeats:
            return np.zeros(ROUND)
        shortest = min(len(times) for times in repeats)
        return np.sum([times[:shortest] for times in repeats], axis=0) * 1e3

    def kernel(self, library: tvm.runtime.Module, call: KernelCall) -> np.ndarray:
        """Seconds of every repeat of a kernel, as inside a model."""
        arrays, device = self.arrays(call), self._session.remote.cpu(0)
        prepare = self._between_layers(call.roles)
        evaluate = library.time_evaluator(
            call.name, device, number=1, repeat=ROUND, f_preproc=prepare
        )
        times: list[float] = []
        for _ in range(ROUNDS):
            times.extend(evaluate(*arrays).results)
            if spread(times) / len(times) ** 0.5 < STEADY or times[-1] > LONG:
                break
        return np.array(times)

    def arrays(self, call: KernelCall) -> list[tvm.nd.NDArray]:
        """Random tensors on the board for a call."""
        device = self._session.remote.cpu(0)
        return [self._array(shape, dtype, device) for shape, dtype in call.tensors]

    def _array(self, shape: Sequence[int], dtype: str, device) -> tvm.nd.NDArray:
        if dtype.startswith(("float", "int8", "uint8")):
            array = tvm.nd.empty(shape, dtype, device)
            self._fill(array)
            return array
        # Indices must stay inside of what they index.
        return tvm.nd.array(np.zeros(shape, dtype), device)


def board_threads(session: Session) -> int:
    """The number of threads that a board's kernels run on.

    Parameters
    ----------
    session : Session
        The board.
    """
    return int(session.remote.get_function("runtime.NumThreads")())


def spread(times: Sequence[float]) -> float:
    """Half the width of the middle 50 % of timings, relative to their median."""
    low, middle, high = np.percentile(times, (25, 50, 75))
    return float((high - low) / 2 / middle) if middle > 0 else 0.0
