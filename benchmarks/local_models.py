# SPDX-License-Identifier: Apache-2.0
"""The networks whose layers the shipped cost model of local boards has seen, and is held against.

Trained ones (PP-OCR) and architectures with random weights; nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tvm
import tvm.relay.testing
from tvm import relay
from tvm.relay.build_module import bind_params_by_name

import flexpie_tvm
from flexpie_tvm.testing.networks import LIGHT, PADDLE, light_model, paddle_model, random_weight

NAMES = ("resnet50", "mobilenet", "vgg19", "inception_v1", "ppocr_det", "ppocr_cls")


def module_of(name: str, scratch: Path) -> tvm.IRModule:
    """A network with its weights as constants.

    Parameters
    ----------
    name : str
        One of ``NAMES``, or any of `LIGHT` and `PADDLE`.
    scratch : Path
        Where files may be written.
    """
    if name in PADDLE:
        return flexpie_tvm.load_onnx(paddle_model(name), PADDLE[name].shapes)
    if name in LIGHT:
        return flexpie_tvm.load_onnx(light_model(name, scratch), {})
    if name == "mobilenet":
        return _mobilenet()
    raise SystemExit(f"unknown model '{name}': choose one of {', '.join(NAMES)}")


def _mobilenet() -> tvm.IRModule:
    mod, params = relay.testing.mobilenet.get_workload()
    rng = np.random.default_rng(0)
    roles = {"gamma": 1, "beta": 2, "moving_mean": 3, "moving_var": 4}
    drawn = {}
    for key, value in params.items():
        role = next((n for ending, n in roles.items() if key.endswith(ending)), 0)
        op = "BatchNormalization" if role else "Conv"
        drawn[key] = tvm.nd.array(random_weight(value.shape, op, role, rng))
    main = bind_params_by_name(mod["main"], drawn)
    return relay.transform.InferType()(tvm.IRModule.from_expr(main))
