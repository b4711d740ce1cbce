# SPDX-License-Identifier: Apache-2.0
"""Boosted trees as plain arrays that are checked before xgboost sees them.

xgboost believes what it loads: of 300 of its own files that were damaged, 15 ended the process and
four never ended. So a cost file holds no such file but what decides a prediction, and the file
that xgboost reads is written from that, after each number of it has been looked at. Its schema is
``xgboost.readthedocs.io/en/stable/tutorials/saving_model.html``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..arrays import Ints, Singles
from ..errors import CostError

#: Of one estimator, more than any that is trained: 150 trees of 127 nodes.
MOST_NODES = 1_000_000
#: Size of what they say, the logarithm of a factor; trained ones say 8 at most.
MOST_ANSWER = 500.0
#: Of the form in which they are given to xgboost: every release since reads it.
FORM = (2, 0, 0)
LEAF, NO_PARENT = -1, 2**31 - 1


class Booster(Protocol):
    """Trees that predict, as far as they are used here; xgboost's are such."""

    def load_model(self, fname: bytearray) -> None:
        """Become what a file of xgboost's holds."""

    def inplace_predict(self, data: np.ndarray) -> np.ndarray:
        """What it learned, of each row: rows x features (float32) -> rows (float32)."""
        ...


@dataclass(frozen=True, eq=False)
class Trees:
    """The sum of trees: from the root to a leaf, left where a feature is less than a value.

    Parameters
    ----------
    width : int
        Features of a row.
    start : float
        What the trees are added to.
    sizes : numpy.ndarray
        Nodes of each tree, at least 1; shape (trees,).
    left : numpy.ndarray
        Of each node, all trees' one after the other, the node to its left, counted in its tree;
        the node to the right is the next one. -1 is a leaf. Shape (nodes,).
    feature : numpy.ndarray
        The column that it looks at; shape (nodes,).
    value : numpy.ndarray
        What that is compared with, or a leaf's amount (float32); shape (nodes,).

    Raises
    ------
    CostError
        If they are no such trees.
    """

    width: int
    start: float
    sizes: Ints
    left: Ints
    feature: Ints
    value: Singles

    def __post_init__(self):
        if not self._are_trees():
            raise CostError("its trees contradict themselves")

    def _are_trees(self) -> bool:
        nodes = len(self.left)
        fit = (
            all(part.ndim == 1 for part in (self.sizes, self.left, self.feature, self.value))
            and 0 < nodes <= MOST_NODES
            and len(self.feature) == len(self.value) == nodes
            and len(self.sizes) > 0
            and bool(((self.sizes > 0) & (self.sizes <= nodes)).all())
            and int(self.sizes.sum()) == nodes
        )
        if not fit:
            return False
        ends = np.repeat(self.sizes, self.sizes)
        starts = np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        own = np.arange(nodes) - starts
        # behind their node, so that every way ends; each node but the roots has one above it
        splits = self.left != LEAF
        left = self.left[splits]
        if not ((left > own[splits]) & (left + 1 < ends[splits])).all():
            return False
        above = np.zeros(nodes, int)
        np.add.at(above, (starts[splits] + left)[:, None] + [0, 1], 1)
        return bool(
            (above == (own > 0)).all()
            and ((self.feature >= 0) & (self.feature < self.width)).all()
            and np.isfinite(self.value).all()
            and self._largest() <= MOST_ANSWER
        )

    def _largest(self) -> float:
        """Size of an answer at most."""
        leaves = np.where(self.left == LEAF, np.abs(self.value), 0.0)
        starts = np.cumsum(self.sizes) - self.sizes
        return abs(self.start) + float(np.maximum.reduceat(leaves, starts).sum())

    def first(self, count: int) -> Trees:
        """The first ``count`` of them: what growing stopped at would have left."""
        sizes = self.sizes[:count]
        own = slice(int(sizes.sum()))
        left, feature, value = self.left[own], self.feature[own], self.value[own]
        return Trees(self.width, self.start, sizes, left, feature, value)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "width": self.width,
            "start": self.start,
            "sizes": self.sizes.tolist(),
            "left": self.left.tolist(),
            "feature": self.feature.tolist(),
            # the shortest text that is read as the same float32
            "value": [float(str(one)) for one in self.value],
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Trees:
        """Inverse of `to_json`.

        Parameters
        ----------
        data : dict
            Of `to_json`.

        Raises
        ------
        CostError
            If they are no trees.
        """
        width = data["width"]
        if not isinstance(width, int):
            raise CostError("its trees contradict themselves")
        sizes, left, feature = (_whole(data[name]) for name in ("sizes", "left", "feature"))
        with np.errstate(over="ignore"):  # a value that float32 does not hold is found infinite
            value = np.array(data["value"], dtype=float).astype(np.float32)
        return Trees(width, float(data["start"]), sizes, left, feature, value)

    @staticmethod
    def of(model: dict[str, Any]) -> Trees:
        """Those of a booster.

        Parameters
        ----------
        model : dict
            What its ``save_raw("json")`` holds.
        """
        learner = model["learner"]
        trees = learner["gradient_booster"]["model"]["trees"]
        left = [_array(tree["left_children"]) for tree in trees]
        right = [_array(tree["right_children"]) for tree in trees]
        if not all((r[s] == n[s] + 1).all() for n, r in zip(left, right, strict=True)
                   for s in [n != LEAF]):  # fmt: skip
            raise CostError("its trees' nodes are in an order that is not known")
        known = learner["learner_model_param"]
        return Trees(
            int(known["num_feature"]),
            float(known["base_score"].strip("[]")),
            np.array([len(one) for one in left]),
            np.concatenate(left),
            np.concatenate([_array(tree["split_indices"]) for tree in trees]),
            np.concatenate([np.array(tree["split_conditions"], np.float32) for tree in trees]),
        )

    def booster(self) -> Booster:
        """What predicts by them, on one thread."""
        booster = _empty()
        booster.load_model(bytearray(json.dumps(self._model()).encode()))
        return booster

    def _model(self) -> dict[str, Any]:
        ends = np.cumsum(self.sizes)
        trees = [
            self._tree(number, slice(int(end - size), int(end)))
            for number, (size, end) in enumerate(zip(self.sizes, ends, strict=True))
        ]
        count = len(trees)
        forest = {
            "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(count)},
            "iteration_indptr": list(range(count + 1)),
            "tree_info": [0] * count,
            "trees": trees,
        }
        known = {
            "base_score": repr(self.start),
            "boost_from_average": "0",
            "num_class": "0",
            "num_feature": str(self.width),
            "num_target": "1",
        }
        learner: dict[str, Any] = {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {"model": forest, "name": "gbtree"},
            "learner_model_param": known,
            # whatever they learned by: what is predicted is the sum
            "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
        }
        return {"learner": learner, "version": FORM}

    def _tree(self, number: int, own: slice) -> dict[str, Any]:
        left, nodes = self.left[own], own.stop - own.start
        splits = np.flatnonzero(left != LEAF)
        parents, right = np.full(nodes, NO_PARENT), np.full(nodes, LEAF)
        parents[left[splits]] = parents[left[splits] + 1] = splits
        right[splits] = left[splits] + 1
        none: list[int] = []
        param = {"num_deleted": 0, "num_feature": self.width, "num_nodes": nodes}
        return {
            "base_weights": [0.0] * nodes,
            "categories": none,
            "categories_nodes": none,
            "categories_segments": none,
            "categories_sizes": none,
            "default_left": [0] * nodes,
            "id": number,
            "left_children": left.tolist(),
            "loss_changes": [0.0] * nodes,
            "parents": parents.tolist(),
            "right_children": right.tolist(),
            "split_conditions": self.value[own].tolist(),
            "split_indices": self.feature[own].tolist(),
            "split_type": [0] * nodes,
            "sum_hessian": [1.0] * nodes,
            "tree_param": {k: str(v) for k, v in {**param, "size_leaf_vector": 1}.items()},
        }


def _empty() -> Booster:
    import xgboost

    return xgboost.Booster({"nthread": 1})


def _array(numbers: list[int]) -> Ints:
    return np.array(numbers, dtype=np.int64)


def _whole(numbers: Any) -> Ints:
    """An array of whole numbers, which nothing was rounded to become."""
    array = np.array(numbers)
    if array.dtype != np.int64:
        raise CostError("its trees contradict themselves")
    return array
