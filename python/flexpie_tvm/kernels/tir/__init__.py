# SPDX-License-Identifier: Apache-2.0
"""Passes over kernels that TVM has scheduled."""
