# SPDX-License-Identifier: Apache-2.0
"""What a plan is: cluster, schemes, geometry, routes, memory; plain data and its files."""
