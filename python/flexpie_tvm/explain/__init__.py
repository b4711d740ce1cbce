# SPDX-License-Identifier: Apache-2.0
"""Plans for people: what a plan does, what it costs and why it was chosen; timelines."""

from .page import plan_page, show_plan
from .picture import save_picture
from .report import comparison_text, reported_timeline, with_report
from .trace import chrome_trace, save_trace

__all__ = [
    "chrome_trace",
    "comparison_text",
    "plan_page",
    "reported_timeline",
    "save_picture",
    "save_trace",
    "show_plan",
    "with_report",
]
