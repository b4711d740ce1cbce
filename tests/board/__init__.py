# SPDX-License-Identifier: Apache-2.0
"""The package that a board runs."""
