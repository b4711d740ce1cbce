# SPDX-License-Identifier: Apache-2.0
"""Files of trained networks -> modules of Relay."""

from ..tvm_check import require_relay

require_relay()
