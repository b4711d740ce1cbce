# SPDX-License-Identifier: Apache-2.0
"""Random small Relay models, made of the blocks that real ones are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import tvm
from tvm import relay

from . import blocks, odd_blocks
from .choices import Choices


@dataclass
class Builder:
    """A model under construction.

    Parameters
    ----------
    choices : Choices
        Where decisions come from.
    rng : numpy.random.Generator
        Where weights come from.
    block : int
        What divides the channels that layers choose: registers hold so many.
    """

    choices: Choices
    rng: np.random.Generator
    block: int = 1
    inputs: list[relay.Var] = field(default_factory=list)

    def input(self, shape: tuple[int, ...], dtype: str = "float32") -> relay.Var:
        """A new input of the model."""
        self.inputs.append(relay.var(f"in{len(self.inputs)}", shape=shape, dtype=dtype))
        return self.inputs[-1]

    def channels(self, most: int) -> int:
        """Some blocks of channels, ``most`` at most."""
        return self.choices.integer(1, most) * self.block

    def weight(self, *shape: int, fan: int = 1, positive: bool = False) -> relay.Constant:
        """Random weights; ``fan`` terms are summed, so that values stay near one."""
        value = self.rng.standard_normal(shape) / np.sqrt(fan)
        return relay.const((abs(value) + 0.5 if positive else value).astype("float32"))

    def shape(self, expr: relay.Expr) -> tuple[int, ...]:
        """Static shape of an expression."""
        typed = relay.transform.InferTypeLocal(expr)
        return tuple(int(n) for n in typed.shape)


def random_model(choices: Choices, steps: int = 6, block: int = 1) -> tvm.IRModule:
    """A module with weights bound, of up to ``steps`` parts, most channels in whole blocks.

    Inputs are images ``1xCxHxW``; outputs are one or more of what the blocks gave.
    """
    seed = choices.integer(0, 9999)
    make = Builder(choices, np.random.default_rng(seed), block)
    size = (make.channels(6), choices.integer(1, 12), choices.integer(1, 12))
    maps: list[relay.Expr] = [make.input((1, *size))]
    others: list[relay.Expr] = []
    for _ in range(choices.integer(1, steps)):
        x = maps[-1] if choices.pick((True, True, False)) else choices.pick(maps)
        block = choices.pick(choices.pick((blocks.MAPS, blocks.MAPS, odd_blocks.ODD)))
        y = block(make, x, maps)
        if np.prod(make.shape(y)) <= 20000:
            maps.append(y)
    if choices.pick((False, True)):
        others.append(choices.pick(blocks.ENDS)(make, maps[-1]))
    results = [*others, *_results(choices, maps, bool(others))]
    body = results[0] if len(results) == 1 else relay.Tuple(results)
    mod = tvm.IRModule.from_expr(relay.Function(make.inputs, body))
    return relay.transform.InferType()(mod)


def random_inputs(mod: tvm.IRModule, seed: int) -> dict[str, np.ndarray]:
    """Standard normal values for all inputs of a model."""
    rng = np.random.default_rng(seed)
    return {
        var.name_hint: rng.standard_normal([int(n) for n in var.checked_type.shape]).astype(
            var.checked_type.dtype
        )
        for var in mod["main"].params
    }


def _results(choices: Choices, maps: list[relay.Expr], have_end: bool) -> list[relay.Expr]:
    """The last map unless it was read by an end; sometimes an earlier one, too."""
    results = [] if have_end else [maps[-1]]
    if len(maps) > 2 and choices.pick((False, False, True)):
        results.append(choices.pick(maps[1:]))
    return results
