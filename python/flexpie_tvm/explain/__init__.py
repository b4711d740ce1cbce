# SPDX-License-Identifier: Apache-2.0
"""Plans for people: what a plan does, what it costs and why it was chosen, as one page."""

from .page import plan_page, show_plan
from .report import comparison_text, with_report

__all__ = ["comparison_text", "plan_page", "show_plan", "with_report"]
