# SPDX-License-Identifier: Apache-2.0
"""Faults that boards, links and hosts are given on purpose: ``python -m tests.faults --help``."""
