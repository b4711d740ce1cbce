# SPDX-License-Identifier: Apache-2.0
"""Partition a network, look at every step, run it on local boards.

``flexpie_tvm.compile(model, path, cluster, target)`` is all of these steps in one call. Run it with
``python tutorials/partition_a_network.py``; it takes a minute.
"""

import tempfile
from pathlib import Path

import numpy as np
from tvm.relay import testing

import flexpie_tvm
from flexpie_tvm import compiler
from flexpie_tvm.relay.targets import host_target, targets_of
from flexpie_tvm.runtime import relative_error, run_whole

BOARDS = 3


def main() -> None:
    """The whole way of the data."""
    rng = np.random.default_rng(0)
    target = host_target()

    # 1. A Relay module and its weights. A file, or an ONNX model, is imported the same way.
    module, params = testing.resnet.get_workload(num_layers=18, image_shape=(3, 64, 64))
    weights = {
        name: rng.uniform(0.1, 0.5, value.shape).astype("float32")
        if "bn" in name
        else (rng.normal(size=value.shape) / 10).astype("float32")
        for name, value in params.items()
    }
    model = compiler.import_model(module, params=weights)

    # 2. Fold, fuse and lay out for the boards' vectors; then its layers are known.
    ready = compiler.prepare(model, targets_of(target, BOARDS))

    # 3. How each layer is cut. Without a scheme the planner is asked; here rows are cut.
    cut = compiler.partition(ready.layers, flexpie_tvm.ClusterSpec(BOARDS), scheme="InH")
    text = cut.annotated.astext(show_meta_data=False).splitlines()
    print("two annotated convolutions:")
    print("\n".join([line[:160] for line in text if '"op"="nn' in line][:2]))

    # 4. One Relay module per board. The first convolution of board 1 has no padding above it.
    lowered = flexpie_tvm.lower(cut)
    print(f"\n{len(lowered.geometry.exchanges)} exchanges; the head of board 1:")
    print("\n".join(lowered.boards[1].astext(show_meta_data=False).splitlines()[1:4])[:900])

    # 5. Compile, deploy on local RPC servers, run, compare with TVM on one board.
    inputs = {"data": rng.normal(size=(1, 3, 64, 64)).astype("float32")}
    with tempfile.TemporaryDirectory() as folder:
        artifact = flexpie_tvm.build(cut, target, Path(folder) / "resnet18.flexpie")
        with (
            flexpie_tvm.local_boards(BOARDS) as local,
            flexpie_tvm.Cluster.connect((local.host, local.port), local.key, BOARDS) as cluster,
            cluster.deploy(artifact) as deployment,
        ):
            (answer,) = deployment.run(inputs)
    (expected,) = run_whole(model.module, target, inputs)
    print(f"\n{artifact.bytes_exchanged} bytes exchanged in one inference")
    print(f"largest difference to one board: {relative_error(answer, expected):.1e} of the range")


if __name__ == "__main__":
    main()
