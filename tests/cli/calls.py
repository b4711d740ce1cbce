# SPDX-License-Identifier: Apache-2.0
"""What commands of these tests are called with."""

#: Of the small model's input, whose first dim is dynamic.
SHAPE = ["--shape", "image=1x3x16x16"]
