# SPDX-License-Identifier: Apache-2.0
"""Tests of the native board runtime, driven through TVM's packed functions."""
