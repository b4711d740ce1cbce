# SPDX-License-Identifier: Apache-2.0
"""The demo: find the text on a page."""
