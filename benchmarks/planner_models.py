# SPDX-License-Identifier: Apache-2.0
"""Layer graphs of the networks that planner benchmarks look at, kept as pickles.

Importers are slow; a graph is small. Give a folder to keep them in, or import them each time.
"""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
NAMES = (
    "mobilenet", "resnet18", "resnet101", "bert", "inception_v3", "densenet121", "ppocr_det",
)


def model_graph(name: str, cache: Path | None = None, target: str = ARM):
    """The layer graph of a network after pre-optimization for a target."""
    path = cache / f"{name}.pickle" if cache else None
    if path and path.is_file():
        return pickle.loads(path.read_bytes())
    from flexpie_tvm.passes import FlexPiePreOptimize
    from flexpie_tvm.relay.importer import import_module

    graph = import_module(FlexPiePreOptimize(target)(_module(name))).graph
    if path:
        cache.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(graph))
    return graph


def _module(name: str):
    import tvm
    from tvm import relay
    from tvm.relay.build_module import bind_params_by_name

    if name == "bert":
        from flexpie_tvm.testing.relay_networks import bert_encoder

        return bert_encoder()
    if name == "ppocr_det":
        from flexpie_tvm.frontend.onnx_model import load_onnx

        spec = find_spec("rapidocr_onnxruntime")
        if spec is None:
            raise SystemExit("ppocr_det needs the package rapidocr-onnxruntime")
        path = Path(spec.origin).parent / "models" / "ch_PP-OCRv4_det_infer.onnx"
        return load_onnx(path, {"x": (1, 3, 640, 640)})
    makers = {
        "mobilenet": relay.testing.mobilenet.get_workload,
        "resnet18": lambda: relay.testing.resnet.get_workload(num_layers=18),
        "resnet101": lambda: relay.testing.resnet.get_workload(num_layers=101),
        "inception_v3": relay.testing.inception_v3.get_workload,
        "densenet121": lambda: relay.testing.densenet.get_workload(densenet_size=121),
    }
    mod, params = makers[name]()
    main = bind_params_by_name(mod["main"], params)
    return relay.transform.InferType()(tvm.IRModule.from_expr(main))
