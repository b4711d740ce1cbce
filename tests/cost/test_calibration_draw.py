# SPDX-License-Identifier: Apache-2.0
"""How strongly few measurements correct a cost model, if at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flexpie_tvm.cost.calibration import DRAWS, calibrate
from flexpie_tvm.cost.corrections import Corrections, fit_corrections, intensities, sort_of
from flexpie_tvm.cost.validate import fold_of

from .machine import traces
from .test_calibration import OTHER, measured


def disturbed(tiles, noise, rng):
    """Traces of another board that is not always as fast."""
    times = [float(trace.ms * np.exp(rng.normal(0, noise))) for trace in tiles]
    return [replace(t, ms=ms, setting=OTHER) for t, ms in zip(tiles, times, strict=True)]


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_what_is_held_out_decides_how_strongly_corrections_are_drawn(learned, noise):
    rng = np.random.default_rng(9)
    tiles = disturbed(measured(60, 0, 5)[0], noise, rng)
    works, took = [t.work for t in tiles], np.array([t.ms for t in tiles])
    sorts, said, dense = [sort_of(w) for w in works], learned.compute(works), intensities(works)

    def fitted(chosen, draw):
        names = [sorts[k] for k in chosen]
        return fit_corrections(names, said[chosen], took[chosen], dense[chosen], draw)

    fold, off = fold_of(range(60)), {}
    for draw in DRAWS:
        off[draw] = 0.0
        for part in range(10):
            known = Corrections(fitted(np.flatnonzero(fold != part), draw))
            for k in np.flatnonzero(fold == part):
                off[draw] += abs(np.log(known.of(sorts[k]).times(said[k], dense[k]) / took[k]))
    found = calibrate([learned], OTHER, tiles).cost.corrections.by_sort
    expected = fitted(np.arange(60), min(off, key=off.get))
    assert {k: c.factor for k, c in found.items()} == pytest.approx(
        {k: c.factor for k, c in expected.items()}
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_model_of_just_such_boards_is_left_as_it_is(learned, seed):
    """What few measurements say against it is chance, and would make others worse."""
    rng = np.random.default_rng(seed)
    tiles = disturbed(traces(80, 0, 20 + seed)[0], 0.1, rng)
    found = calibrate([learned], OTHER, tiles)
    assert found.cost.corrections.by_sort == {}
    works = [trace.work for trace in traces(50, 0, 40 + seed)[0]]
    assert found.cost.compute(works) == pytest.approx(learned.compute(works))
    assert found.tiles.after == found.tiles.before


@pytest.mark.parametrize("longer", [0.8, 1.25])
def test_boards_that_are_faster_or_slower_alike_are_noticed(learned, longer):
    rng = np.random.default_rng(1)
    tiles = [replace(t, ms=longer * t.ms) for t in disturbed(traces(80, 0, 20)[0], 0.1, rng)]
    found = calibrate([learned], OTHER, tiles).cost
    works = [trace.work for trace in traces(50, 0, 40)[0]]
    said = found.compute(works) / learned.compute(works)
    assert said == pytest.approx(longer, rel=0.15)
