# SPDX-License-Identifier: Apache-2.0
"""Kinds of nodes, and a node of any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from . import arithmetic, arrange, special, windows
from .draws import Draw

KINDS: dict[str, Callable[[np.random.Generator, int], Draw]] = {
    "arguments": arrange.arg_reduction,
    "attention": arithmetic.attention,
    "clip": arithmetic.clip,
    "convolutions": windows.conv,
    "deformed convolutions": special.deformed,
    "determinants": special.determinant,
    "dropout": arithmetic.dropout,
    "einsum": arithmetic.einsum,
    "functions": arithmetic.function,
    "gather": arrange.gather,
    "gather_nd": arithmetic.gather_nd,
    "integers": arithmetic.integers,
    "losses": special.loss,
    "matrix products": arithmetic.matmul,
    "normalizations": arithmetic.normalization,
    "one_hot": arrange.one_hot,
    "pad": arrange.pad,
    "pairs": arithmetic.pair,
    "patches": special.patches,
    "pools": windows.pool,
    "quantized blocks": special.quantized_blocks,
    "recurrent": arithmetic.recurrent,
    "reductions": arrange.reduction,
    "regions": windows.regions,
    "resize": windows.resize,
    "resized axes": windows.axes_resize,
    "sampled": windows.sampled,
    "scatter": arrange.scatter,
    "shuffles": arrange.shuffle,
    "slices": arrange.slice_,
    "softmax": arithmetic.softmax,
    "spectra": special.spectrum,
    "split": arrange.split,
    "terms": special.terms,
    "top_k": arrange.top_k,
    "transposed convolutions": windows.conv_transpose,
    "volumes": special.volumes,
}
OPSETS = tuple(range(7, 24))


def random_node(kind: str, opset: int, seed: int) -> Draw:
    """A node of a kind; some kinds draw another where an opset has none of theirs.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    opset : int
        Version of the standard, 7 to 23.
    seed : int
        The same seed draws the same node.
    """
    return replace(KINDS[kind](np.random.default_rng(seed), opset), opset=opset)
