# SPDX-License-Identifier: Apache-2.0
"""A calibration of this machine is known by processor, kernels, target, threads and TVM."""

from __future__ import annotations

from flexpie_tvm.cost.own_machine import calibration_key, processor_text

X86 = """processor\t: 0
model name\t: A Chip
stepping\t: 1
cpu MHz\t\t: {mhz}
processor\t: 1
model name\t: A Chip
stepping\t: 1
"""


def test_a_key_is_of_all_that_decides_times():
    own = ("llvm", 1, "0.19.0", "a chip; 2 cores", "abcdef012345")
    others = ("llvm -mcpu=znver4", 2, "0.19.1", "a chip; 4 cores", "012345abcdef")
    key = calibration_key(*own)
    assert key == calibration_key(*own)
    for place, other in enumerate(others):
        assert calibration_key(*own[:place], other, *own[place + 1 :]) != key
    assert calibration_key(*own[:3]) == calibration_key(*own[:3], processor_text())


def test_a_processor_is_told_by_what_does_not_change(tmp_path):
    files = [tmp_path / "slow", tmp_path / "fast"]
    for file, mhz in zip(files, (1500.0, 3700.0), strict=True):
        file.write_text(X86.format(mhz=mhz))
    slow, fast = map(processor_text, files)
    assert slow == fast
    assert slow.startswith("model name: A Chip; stepping: 1; ")
    (tmp_path / "other").write_text(X86.replace("A Chip", "Another"))
    assert processor_text(tmp_path / "other") != slow
    assert processor_text(tmp_path / "missing").endswith(" cores")
