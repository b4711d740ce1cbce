# SPDX-License-Identifier: Apache-2.0
"""The board model: what it makes of counts, and how far it is from times that it has not seen."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from flexpie_tvm.cost.board_model import (
    Coefficients,
    boards_left_out,
    fit,
    fit_all,
    known_times,
    load_fitted,
    milliseconds,
    networks_left_out,
    save_fitted,
)
from flexpie_tvm.machine import known_board
from flexpie_tvm.machine.board_data import Counts, counts_for, published_times

PI4 = known_board("pi4")
CODE = Counts({"cortex-a72": 1.8e9}, 1e6, 10)
TRUE = Coefficients(1.1, 0.1, 8.0, 1.5, 300.0)


@pytest.fixture(scope="module")
def times():
    return known_times(published_times())


def test_every_quantity_has_its_unit():
    def of(threads: int = 1, **values: float) -> float:
        none = Coefficients(0, 0, 0, 0, 0)
        return milliseconds(CODE, replace(none, **values), PI4, PI4.big, threads)

    assert of(core=1) == pytest.approx(1000)
    assert of(core=1, threads=4) == pytest.approx(250)
    assert (of(serial=1), of(serial=1, threads=4)) == (0, pytest.approx(750))
    assert of(wait=8) == pytest.approx(8)  # a million times eight nanoseconds
    assert of(wait=8, threads=4) == pytest.approx(2)
    assert of(bus=1) == of(bus=1, threads=4) == pytest.approx(1e6 * 64 / 12.8e9 * 1e3)
    assert of(start=1) == pytest.approx(10 * 1000 / 1.8e9 * 1e3)


def test_a_fit_finds_the_coefficients_that_made_the_times(times):
    own = [one for one in times if one.kind == "pi4"]
    made = [
        replace(one, milliseconds=milliseconds(counts_for(one), TRUE, PI4, PI4.big, one.threads))
        for one in own
    ]
    found = fit(made, made, draw=0)
    for got, wanted in zip(vars(found).values(), vars(TRUE).values(), strict=True):
        assert got == pytest.approx(wanted, rel=1e-4)


def test_what_is_left_out_does_not_help(times):
    """A wrong time changes what is said of others, but not what is said of itself."""
    index = next(k for k, t in enumerate(times) if t.kind == "pi4" and t.network == "resnet50")
    wrong = list(times)
    wrong[index] = replace(times[index], milliseconds=10 * times[index].milliseconds)
    for left_out in (networks_left_out, boards_left_out):
        before, after = left_out(times), left_out(wrong)
        assert after[index].modelled == before[index].modelled
        assert any(b.modelled != a.modelled for b, a in zip(before, after, strict=True))


def test_published_times_are_predicted_without_having_been_seen(times):
    """The errors that docs/cost.md tells, and no larger."""
    errors = networks_left_out(times)
    assert len({one.published.network for one in errors}) >= 8
    assert median(abs(one.error) for one in errors) < 0.11
    assert np.mean([abs(one.error) < 0.35 for one in errors]) > 0.9
    assert median(abs(one.error) for one in boards_left_out(times)) < 0.25
    alone = [abs(o.error) for o in errors if o.published.threads == 1 and o.published.kind == "pi4"]
    assert median(alone) < 0.10


def test_the_packaged_coefficients_are_those_of_all_times(times, tmp_path):
    fitted = fit_all(times)
    packaged = load_fitted()
    assert list(packaged) == list(fitted)
    save_fitted(fitted, tmp_path / "boards.json")
    assert load_fitted(tmp_path / "boards.json") == packaged
    assert all(min(vars(one).values()) >= 0 for one in packaged.values())
