# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime answers, without its optimizations; the standard's evaluator where it cannot."""

from __future__ import annotations

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from .draws import Draw, model_of


def answers(draw: Draw) -> list[np.ndarray]:
    """A node's results."""
    return model_answers(*model_of([draw]))


def model_answers(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """A model's results."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error):
            raise
        return ReferenceEvaluator(model).run(None, feeds)
    return session.run(None, feeds)
