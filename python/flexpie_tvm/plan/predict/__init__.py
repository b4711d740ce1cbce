# SPDX-License-Identifier: Apache-2.0
"""What a plan costs: the work of its tiles, priced and replayed."""
