# SPDX-License-Identifier: Apache-2.0
"""An input of a model, as its file says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelInput:
    """What a model takes.

    Parameters
    ----------
    name : str
        Of the tensor.
    shape : tuple of int
        All of it known.
    dtype : str
        In numpy's words.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
