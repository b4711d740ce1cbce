# SPDX-License-Identifier: Apache-2.0
"""What a converter is given: one ONNX node with its inputs in Relay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import relay

from ...errors import ModelError
from ..local_types import type_of
from ..static_shape import static_shape


@dataclass(frozen=True)
class Node:
    """An ONNX node.

    Parameters
    ----------
    operator : str
        Such as ``"Conv"``.
    text : str
        How messages call the node.
    opset : int
        The version of the standard that it follows.
    inputs : sequence of relay.Expr or None
        None for one that is left out.
    attributes : mapping
        Name -> value as Python has it, texts as ``str``.
    outputs : sequence of str
        Names of its results; empty for one that nobody reads.
    names : sequence of str
        Of its inputs.
    stock : callable
        TVM's own converter: inputs and attributes -> results.
    """

    operator: str
    text: str
    opset: int
    inputs: Sequence[relay.Expr | None]
    attributes: Mapping[str, Any]
    outputs: Sequence[str]
    names: Sequence[str]
    stock: Callable[..., relay.Expr | list[relay.Expr]]

    def input(self, k: int) -> relay.Expr | None:
        """An input, or None if it is left out."""
        return self.inputs[k] if k < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def shape(self, k: int = 0) -> tuple[int, ...]:
        """An input's shape."""
        found = static_shape(self.inputs[k])
        if found is None:
            raise self.error("the shape of what it reads depends on data")
        return tuple(found)

    def dtype(self, k: int = 0) -> str:
        """An input's type."""
        return dtype_of(self.inputs[k])

    def value(self, k: int) -> np.ndarray | None:
        """A constant input's value, or None for others and those left out."""
        found = self.input(k)
        return found.data.numpy() if isinstance(found, relay.Constant) else None

    def known(self, k: int, what: str) -> np.ndarray | None:
        """A constant input's value, None if it is left out; an error for one that is computed."""
        if self.input(k) is None:
            return None
        found = self.value(k)
        if found is None:
            raise self.error(f"{what} must be constants, but depend on data")
        return found

    def asks(self, k: int) -> bool:
        """Whether a result is read."""
        return k < len(self.outputs) and bool(self.outputs[k])

    def as_stock(self, *inputs: relay.Expr | None, **attributes: Any) -> relay.Expr:
        """What TVM's converter makes of other inputs and attributes."""
        return self.stock(inputs, attributes)

    def unchanged(self) -> relay.Expr:
        """The first input; a copy of it where it may be an output of the model as well."""
        data = self.inputs[0]
        return relay.copy(data) if isinstance(data, relay.Var | relay.Constant) else data

    def error(self, reason: str) -> ModelError:
        """An error that names this node."""
        return ModelError(f"{self.text}: {reason}")


#: One result, or several in the standard's order.
Converter = Callable[[Node], relay.Expr | list[relay.Expr]]


def dtype_of(expr: relay.Expr) -> str:
    """Type of an expression's elements."""
    return type_of(expr).dtype


def scalar(value: float, dtype: str) -> relay.Constant:
    """A constant of no axes."""
    return relay.const(np.array(value).astype(dtype), dtype)


def tensor(values: np.ndarray) -> relay.Constant:
    """A constant of an array's own type (Relay narrows 64 bits where it is not told one)."""
    return relay.const(values, str(values.dtype))


def integers(values: Sequence[int]) -> list[int]:
    """Plain integers, as attributes of Relay want them."""
    return [int(value) for value in values]
