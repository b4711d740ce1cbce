# SPDX-License-Identifier: Apache-2.0
"""Interruptions: none gets lost, none comes out as another error."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from flexpie_tvm.cli.interrupt import interruptible, was_interrupted

LOST = """
import os, signal, time
from flexpie_tvm.cli.interrupt import heed_signals

class Remote:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(1)

heed_signals()
try:
    Remote()
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_a_destructor_is_not_lost(name):
    done = subprocess.run(
        [sys.executable, "-c", LOST.format(name=name)],
        capture_output=True,
        # a shell's background jobs, and so what they start, ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        text=True,
    )
    assert done.stdout == "interrupted\n"
    assert done.stderr == ""


def test_other_errors_of_destructors_are_still_said():
    program = LOST.format(name="SIGINT").replace("os.kill(os.getpid(), signal.SIGINT)", "1 / 0")
    done = subprocess.run(
        [sys.executable, "-c", program.replace("(20)", "(0)")], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert "ZeroDivisionError" in done.stderr


def test_an_interruption_is_found_in_what_it_became():
    caused, on_the_way, text = SystemError("with an exception set"), ValueError(), RuntimeError()
    caused.__cause__ = KeyboardInterrupt()
    on_the_way.__context__ = caused
    text.args = ('Traceback:\n  File "x.py", line 1\nKeyboardInterrupt',)
    assert all(map(was_interrupted, (KeyboardInterrupt(), caused, on_the_way, text)))
    assert not was_interrupted(ValueError("no such board"))


def test_the_first_signal_waits_for_the_step(capsys):
    with interruptible("batch") as check:
        check()
        signal.raise_signal(signal.SIGTERM)
        assert "stopping after this batch" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            check()


def test_the_second_signal_does_not_wait():
    with interruptible("batch"):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
