# SPDX-License-Identifier: Apache-2.0
"""Write the rule of an operator that has none, and test it against numpy.

``matrix_set_diag`` writes a diagonal into each matrix of a batch. Without a rule every board that
needs a part of the result computes all of it. Run it with ``python tutorials/write_a_rule.py``; it
takes some seconds. CONTRIBUTING.md says where a rule goes to become part of the package.
"""

import numpy as np
import tvm
from tvm import relay

from flexpie_tvm.graph import Op, Region, whole
from flexpie_tvm.relay import import_module
from flexpie_tvm.rules import Rule, Tile, rule_for


class SetDiagonal(Rule):
    """Batches of matrices are cuttable, the matrices themselves are not."""

    def tile(self, op: Op, region: Region) -> Tile:
        """Whole matrices of the wanted batches, and the diagonals of the same batches."""
        matrices, diagonals = op.in_shapes
        # 1. Which part of the output is computed: at least what is asked for.
        batches = len(matrices) - 2
        computed = Region((*region.bounds[:batches], *whole(matrices[batches:]).bounds))
        # 2. Which region of each input that needs: halos, re-sharding and so on follow from it.
        read = Region((*region.bounds[:batches], *whole(diagonals[batches:]).bounds))
        # 3. Which attributes change on a tile: none, so nothing is said of them.
        return Tile(computed, (computed, read))


def operator(matrices: tuple[int, ...], diagonals: tuple[int, ...]) -> Op:
    """The operator as a layer graph has it."""
    x, d = relay.var("x", shape=matrices), relay.var("d", shape=diagonals)
    module = tvm.IRModule.from_expr(relay.Function([x, d], relay.matrix_set_diag(x, d)))
    (op,) = import_module(module).graph.ops
    return op


def set_diagonal(matrices: np.ndarray, diagonals: np.ndarray) -> np.ndarray:
    """What the operator computes, by numpy: it knows nothing of regions."""
    result = matrices.copy()
    places = np.arange(diagonals.shape[-1])
    result[..., places, places] = diagonals
    return result


def check(rule: Rule, op: Op, rng: np.random.Generator, count: int = 50) -> None:
    """A tile computed from what the rule reads is that part of the whole, in random regions."""
    inputs = [rng.normal(size=shape) for shape in op.in_shapes]
    expected = set_diagonal(*inputs)
    for _ in range(count):
        ends = [sorted(rng.choice(size + 1, 2, replace=False)) for size in op.out_shape]
        wanted = Region(tuple((int(a), int(b)) for a, b in ends))
        tile = rule.tile(op, wanted)
        assert tile.region.contains(wanted), f"{tile.region} lacks a part of {wanted}"
        parts = [x[r.slices()] for x, r in zip(inputs, tile.inputs, strict=True)]
        np.testing.assert_array_equal(set_diagonal(*parts), expected[tile.region.slices()])


def main() -> None:
    """Show what the rule changes, and test it."""
    op, rng = operator((6, 5, 4), (6, 4)), np.random.default_rng(0)
    print(f"cuttable without a rule: {sorted(rule_for(op).cuttable(op))}")
    print(f"cuttable with it: {sorted(SetDiagonal().cuttable(op))}")
    check(SetDiagonal(), op, rng)
    check(SetDiagonal(), operator((3, 4, 7, 9), (3, 4, 7)), rng)
    tile = SetDiagonal().tile(op, Region(((2, 4), (0, 5), (0, 4))))
    print(f"two of six matrices read {tile.inputs[0]} and {tile.inputs[1]}")


if __name__ == "__main__":
    main()
