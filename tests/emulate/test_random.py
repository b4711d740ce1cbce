# SPDX-License-Identifier: Apache-2.0
"""Any model, any legal plan: the boards together give the whole model's answers."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flexpie_tvm.rules import conv, window
from flexpie_tvm.testing.choices import DrawnChoices, SeededChoices
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.properties import largest_error, random_case

EVALUATOR = Evaluator()  # only a cache of compiled operators


@st.composite
def cases(draw):
    return random_case(DrawnChoices(draw, st.integers))


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_drawn_models_and_plans(case):
    mod, plan = case
    assert largest_error(mod, plan, EVALUATOR) <= 1e-4


@pytest.mark.parametrize("start", range(0, 80, 10))
def test_seeded_models_and_plans(start):
    for seed in range(start, start + 10):
        mod, plan = random_case(SeededChoices(seed), steps=8)
        assert largest_error(mod, plan, EVALUATOR, seed) <= 1e-4, f"seed {seed}"


def test_a_rule_that_forgets_a_halo_is_found(monkeypatch):
    def forgetful(*args, **kwargs):
        span = window.window_span(*args, **kwargs)
        lost = span.stop - span.start > 1
        return window.Span(
            span.out_start,
            span.out_stop,
            span.start,
            span.stop - lost,
            span.before,
            span.after + lost,
        )

    monkeypatch.setattr(conv, "window_span", forgetful)
    errors = []
    for seed in range(30):
        mod, plan = random_case(SeededChoices(seed))
        errors.append(largest_error(mod, plan, EVALUATOR, seed))
    assert np.max(errors) > 1e-3
