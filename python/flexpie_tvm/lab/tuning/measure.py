# SPDX-License-Identifier: Apache-2.0
"""How a candidate is compiled and timed: AutoTVM's builder and runner, as our builds and boards."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tvm
from tvm.autotvm.env import AutotvmGlobalScope, reset_global_scope
from tvm.autotvm.measure import LocalBuilder, RPCRunner
from tvm.autotvm.measure.measure_methods import request_remote
from tvm.contrib.cc import create_shared
from tvm.contrib.popen_pool import PopenPoolExecutor

from ...codegen.build import link_options
from ...kernels.context import CONFIG
from .board import Board

#: Seconds that a candidate may take to compile, and to be timed.
BUILD_SECONDS, RUN_SECONDS = 180, 60
#: Timings of a candidate, of which the least and the most are dropped, and milliseconds of each.
TIMINGS, TIMING_MS = 5, 20


class _InOurContext:
    """Compiles a candidate with the passes of our builds."""

    def __init__(self, build):
        self._build = build

    def __call__(self, *args, **kwargs):
        with tvm.transform.PassContext(opt_level=3, config=CONFIG):
            return self._build(*args, **kwargs)


class KernelBuilder(LocalBuilder):
    """Compiles candidates in processes of their own.

    Parameters
    ----------
    cc : str or None
        Compiler that links for the boards; None for the host's.
    parallel : int
        Processes.
    """

    def __init__(self, cc: str | None, parallel: int):
        link = link_options(cc).get("fcompile", create_shared)
        super().__init__(BUILD_SECONDS, parallel, build_func=link, do_fork=True)
        self.build_func = _InOurContext(self.build_func)
        self.executor = _workers(BUILD_SECONDS, parallel)


class TrackerRunner(RPCRunner):
    """Times candidates on boards of a tracker, and gives each board back after each.

    Parameters
    ----------
    host, port, key : str, int, str
        The tracker, and where the boards registered.
    parallel : int
        Boards that are used at a time.
    """

    def __init__(self, host: str, port: int, key: str, parallel: int):
        super().__init__(
            key, host, port, timeout=RUN_SECONDS, n_parallel=parallel, number=1, repeat=TIMINGS,
            min_repeat_ms=TIMING_MS, cooldown_interval=0, module_loader=on_board,
        )  # fmt: skip
        self.executor = _workers(RUN_SECONDS * (parallel + 1), parallel)

    def set_task(self, task) -> None:
        """Take the next task; whether there are boards is asked before, and takes none."""
        self.task = task


@contextmanager
def on_board(remote_kwargs: dict, built) -> Iterator[tuple]:
    """A board that has loaded a candidate; its session ends here, not when Python collects it."""
    board = Board(*(remote_kwargs[name] for name in ("host", "port", "device_key")))
    board.wait(RUN_SECONDS)  # TVM's request would wait for a lost board for ever
    remote = request_remote(**remote_kwargs)
    try:
        name = Path(built.filename).name
        remote.upload(built.filename)
        yield remote, remote.load_module(name)
        remote.remove(name)
    finally:
        remote._sess["CloseRPCConnection"]()


def _workers(seconds: float, parallel: int) -> PopenPoolExecutor:
    return PopenPoolExecutor(parallel, seconds, _start, (AutotvmGlobalScope.current,))


def _start(scope) -> None:
    """Ctrl-C is for the process that measures, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reset_global_scope(scope)


def cores() -> int:
    """Candidates that are compiled at a time."""
    return len(os.sched_getaffinity(0))
