# SPDX-License-Identifier: Apache-2.0
"""A process of its own that exports a program of PyTorch to ONNX: ``torch_to_onnx.py FROM TO``.

PyTorch and TVM bring an LLVM each and do not live in one process. So nothing of ours is imported.
"""

import sys
import warnings


def main() -> None:
    """Export; one line on stderr and exit code 1 if PyTorch cannot."""
    import torch

    warnings.simplefilter("ignore")
    source, to = sys.argv[1:]
    try:
        program = torch.export.load(source)
        torch.onnx.export(program, f=to, dynamo=True, external_data=False)
    except Exception as error:  # what an exporter raises is its own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        sys.exit((lines[0] if lines else type(error).__name__)[:300])


if __name__ == "__main__":
    main()
