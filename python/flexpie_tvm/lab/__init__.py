# SPDX-License-Identifier: Apache-2.0
"""Tools around the compiler that measure: counting, profiling, tuning, testbed, bench."""
