# SPDX-License-Identifier: Apache-2.0
"""Weights that come beside a module, as TVM's importers give them: bound as constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tvm
from tvm import relay
from tvm.relay.build_module import bind_params_by_name

from ..errors import InputError
from .rewrite import with_main

Params = Mapping[str, "tvm.nd.NDArray | np.ndarray"]


def bind_params(mod: tvm.IRModule, params: Params | None) -> tvm.IRModule:
    """The module with weights as constants of its main function.

    Parameters
    ----------
    mod : tvm.IRModule
        As ``relay.frontend`` gives it.
    params : mapping or None
        Name of an input -> array of its shape and dtype. As in ``relay.build``, names that the
        function does not have are left alone.

    Returns
    -------
    mod : tvm.IRModule
        What is left of main's inputs is what travels with every inference.

    Raises
    ------
    InputError
        If an array does not fit the input of its name.
    """
    if not params:
        return mod
    main = mod["main"]
    for var in main.params:
        if var.name_hint in params:
            _check(var, params[var.name_hint])
    bound = bind_params_by_name(main, {name: _array(value) for name, value in params.items()})
    return relay.transform.InferType()(with_main(mod, bound))


def _array(value: tvm.nd.NDArray | np.ndarray) -> tvm.nd.NDArray:
    return value if isinstance(value, tvm.nd.NDArray) else tvm.nd.array(value)


def _check(var: relay.Var, value: tvm.nd.NDArray | np.ndarray) -> None:
    declared = var.type_annotation
    if not isinstance(declared, tvm.ir.TensorType):
        return
    sizes = [int(n) if isinstance(n, tvm.tir.IntImm) else None for n in declared.shape]
    given = tuple(value.shape)
    fits = len(sizes) == len(given) and all(
        n in (None, g) for n, g in zip(sizes, given, strict=True)
    )
    if not fits or str(value.dtype) != declared.dtype:
        raise InputError(
            f"params has '{var.name_hint}' of {value.dtype} {list(given)}, the module wants "
            f"{declared.dtype} {['?' if n is None else n for n in sizes]}"
        )
