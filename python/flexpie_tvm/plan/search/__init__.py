# SPDX-License-Identifier: Apache-2.0
"""How plans are found: candidates, bounds, dynamic programming, and who asks for it."""
