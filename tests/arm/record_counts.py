# SPDX-License-Identifier: Apache-2.0
"""Record anew how many instructions are executed: ``python -m tests.arm.record_counts``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from flexpie_tvm.lab.counting.measure import count_engine

from .held import HELD, RECORDS


def main() -> None:
    """Count everything that is held and write the records."""
    counts = {}
    for name, held in HELD.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            subject = held.subject(folder)
            found = count_engine("flexpie", subject, held.cpu, folder, caches=False, models=())
        counts[name] = found.total.instructions
        print(f"{name}: {counts[name]}")
    RECORDS.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
