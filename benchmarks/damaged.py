# SPDX-License-Identifier: Apache-2.0
"""Damaged plans, clusters, cost models, artifacts and ONNX files, given to their readers.

    python benchmarks/damaged.py [--cases 1000] [--kind plan] [--seed 0]

Prints per kind how many of the files were accepted and refused, and every one that ended otherwise.
Exit code 1 if one did.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from flexpie_tvm.testing.damage_subject import make_subject
from flexpie_tvm.testing.damage_trials import TRIALS, try_one


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="of each kind")
    parser.add_argument("--kind", choices=TRIALS, action="append")
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        subject = make_subject(scratch)
        for kind in options.kind or TRIALS:
            seeds = range(options.seed, options.seed + options.cases)
            trials = [try_one(kind, subject, seed, scratch) for seed in seeds]
            counts = Counter(trial.outcome for trial in trials if trial.right)
            slowest = max(trials, key=lambda trial: trial.seconds)
            print(f"{kind}: {dict(counts)}, slowest {slowest.seconds:.2f} s (seed {slowest.seed})",
                  flush=True)  # fmt: skip
            for trial in trials:
                if not trial.right:
                    print(f"  seed {trial.seed}: {trial.outcome}")
            wrong += sum(not trial.right for trial in trials)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
