# SPDX-License-Identifier: Apache-2.0
"""Damaged plans, clusters, cost models, artifacts and ONNX files, given to their readers.

    python benchmarks/damaged.py [--cases 1000] [--kind plan] [--seed 0]

Prints per kind how many of the files were accepted and refused, and every one that ended otherwise.
Exit code 1 if one did. The readers run in a process of their own, so that one that ends the process
or never comes back from C++ is a line of the table too, and the next case goes on.
"""

import argparse
import multiprocessing
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from flexpie_tvm.testing.damage_subject import make_subject
from flexpie_tvm.testing.damage_trials import PATIENCE, TRIALS, Trial, try_one

#: Seconds beyond a reader's own patience: it has not even heard its alarm.
DEAF = PATIENCE + 30


class Readers:
    """A process that reads damaged files one after the other; another one when it is lost."""

    def __init__(self, scratch: Path):
        self._scratch, self._subject = scratch, make_subject(scratch)
        self._pool: ProcessPoolExecutor | None = None

    def read(self, kind: str, seed: int) -> Trial:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        future = self._pool.submit(try_one, kind, self._subject, seed, self._scratch)
        try:
            return future.result(DEAF)
        except BrokenProcessPool:
            outcome = "the process ended"
        except TimeoutError:
            outcome = f"no end within {DEAF} s"
        self.close()
        return Trial(kind, seed, outcome, DEAF)

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._pool is not None:
            for process in list(multiprocessing.active_children()):
                process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="of each kind")
    parser.add_argument("--kind", choices=TRIALS, action="append")
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        readers = Readers(Path(name))
        try:
            for kind in options.kind or TRIALS:
                seeds = range(options.seed, options.seed + options.cases)
                wrong += tell(kind, [readers.read(kind, seed) for seed in seeds])
        finally:
            readers.close()
    return 1 if wrong else 0


def tell(kind: str, trials: list[Trial]) -> int:
    """Print what came of the files of a kind; how many did not end well."""
    counts = Counter(trial.outcome for trial in trials if trial.right)
    slowest = max(trials, key=lambda trial: trial.seconds)
    print(f"{kind}: {dict(counts)}, slowest {slowest.seconds:.2f} s (seed {slowest.seed})",
          flush=True)  # fmt: skip
    bad = [trial for trial in trials if not trial.right]
    for trial in bad:
        print(f"  seed {trial.seed}: {trial.outcome}", flush=True)
    return len(bad)


if __name__ == "__main__":
    sys.exit(main())
