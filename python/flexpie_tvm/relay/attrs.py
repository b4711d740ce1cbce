# SPDX-License-Identifier: Apache-2.0
"""Attributes of Relay calls as plain Python values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import relay


def plain_attrs(call: relay.Call) -> dict[str, Any]:
    """Attributes of a call; TVM containers become tuples, integers and strings."""
    attrs = call.attrs
    if attrs is None:
        return {}
    return {key: plain(value) for key, value in _items(attrs).items()}


def plain(value: Any) -> Any:
    """A TVM value as plain Python; what has no plain form is kept."""
    if isinstance(value, tvm.ir.Array | list | tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, tvm.ir.Map | dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tvm.tir.IntImm):
        return bool(value.value) if value.dtype == "bool" else int(value.value)
    if isinstance(value, tvm.tir.FloatImm):
        return float(value.value)
    if isinstance(value, tvm.tir.StringImm | tvm.runtime.String):
        return str(value.value) if isinstance(value, tvm.tir.StringImm) else str(value)
    return value


def with_attrs(call: relay.Call, changes: Mapping[str, Any]) -> tvm.ir.Attrs | None:
    """The call's attributes with some of them replaced."""
    if not changes:
        return call.attrs
    values = _items(call.attrs)
    unknown = set(changes) - set(values)
    values.update((k, _integers(v)) for k, v in changes.items() if k not in unknown)
    return tvm.ir.make_node(call.op.attrs_type_key, **values)


def _items(attrs: tvm.ir.Attrs) -> dict[str, Any]:
    """Names and values; some attribute types have no Python class, only reflection."""
    if hasattr(attrs, "keys"):
        return {str(key): attrs[key] for key in attrs.keys()}
    names = [str(name) for name in dir(attrs) if not name.startswith("_")]
    return {name: getattr(attrs, name) for name in names if name not in dir(tvm.Object)}


def _integers(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_integers(v) for v in value]
    if isinstance(value, bool):
        return value
    return tvm.tir.IntImm("int32", value) if isinstance(value, int) else value
