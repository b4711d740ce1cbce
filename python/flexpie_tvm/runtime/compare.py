# SPDX-License-Identifier: Apache-2.0
"""How far answers are from those that are expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Of float32 answers, relative to the range of what is expected.
TOLERANCE = 1e-4
#: Of a model that was narrowed to float16: of the float32 answers of another engine, and of those
#: of one board that computes all in float16 too.
FP16_TOLERANCE, FP16_OWN_TOLERANCE = 1e-2, 2e-3


def largest_error(answers: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest `relative_error` of several answers; infinite for another number of them.

    Parameters
    ----------
    answers, expected : sequence of numpy.ndarray
        In the same order.
    """
    if len(answers) != len(expected):
        return float("inf")
    errors = [relative_error(a, b) for a, b in zip(answers, expected, strict=True)]
    # numpy's max: the built-in one may lose a NaN
    return float(np.max(errors, initial=0))


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the range of what is expected.

    Infinities and NaNs in the same places are no difference; elsewhere the answer is NaN or
    infinite, which no limit lets pass.

    Parameters
    ----------
    got, expected : numpy.ndarray
        Of any type; other shapes than expected are infinitely wrong.

    Returns
    -------
    error : float
        0 for equal arrays. Where all that is expected is one number, it is relative to that, or to
        1 if that is more.
    """
    if got.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    a, b = got.astype("float64"), expected.astype("float64")
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.where(same, 0.0, np.abs(a - b)).max()
    finite = b[np.isfinite(b)]
    span = float(np.ptp(finite)) if finite.size else 0.0
    scale = span or max(1.0, float(np.abs(finite).max(initial=0.0)))
    return float(difference) / scale
