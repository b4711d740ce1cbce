#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Try random models with random legal plans; print how many, mismatches and the largest error."""

from __future__ import annotations

import argparse
import sys
import traceback

from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.properties import largest_error, random_case


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="models to try")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first model")
    parser.add_argument("--steps", type=int, default=6, help="blocks per model, at most")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative to the range")
    parser.add_argument("--verbose", action="store_true", help="print tracebacks")
    args = parser.parse_args()
    evaluator = Evaluator()
    bad, worst = [], 0.0
    for seed in range(args.seed, args.seed + args.count):
        try:
            mod, plan = random_case(SeededChoices(seed), args.steps)
            error = largest_error(mod, plan, evaluator, seed)
        except Exception as problem:  # a crash is a mismatch: report it and go on
            bad.append(seed)
            print(f"seed {seed}: {type(problem).__name__}: {str(problem).splitlines()[-1:]}")
            if args.verbose:
                traceback.print_exc()
            continue
        if error > args.tolerance:
            bad.append(seed)
            print(f"seed {seed}: relative error {error:.3g}")
        else:
            worst = max(worst, error)
    print(f"tried {args.count}, mismatches {len(bad)}, largest error otherwise {worst:.3g}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
