# SPDX-License-Identifier: Apache-2.0
"""What a board runs: a TVM RPC server that stays registered.

It stands outside ``flexpie_tvm``, because a board neither plans nor compiles: it loads TVM's
runtime and nothing else.
"""
