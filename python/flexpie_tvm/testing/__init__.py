# SPDX-License-Identifier: Apache-2.0
"""What the tests need and users may find handy: references, random models, random plans."""
