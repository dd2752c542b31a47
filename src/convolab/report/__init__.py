"""The page that is handed in: pins from the lab, words between them, exported as one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.lazy import lazily

if TYPE_CHECKING:
    from convolab.report.document import PinBlock, Report, TextBlock, new, open_report, reports
    from convolab.report.export import build
    from convolab.report.from_runs import pin_network, pin_run
    from convolab.report.markdown import to_html
    from convolab.report.pinboard import Pin, add_pin, find_pin, pins, remove_pin
    from convolab.report.templates import TEMPLATES

_HOME_OF = {
    "Pin": "pinboard",
    "PinBlock": "document",
    "Report": "document",
    "TEMPLATES": "templates",
    "TextBlock": "document",
    "add_pin": "pinboard",
    "build": "export",
    "find_pin": "pinboard",
    "new": "document",
    "open_report": "document",
    "pin_network": "from_runs",
    "pin_run": "from_runs",
    "pins": "pinboard",
    "remove_pin": "pinboard",
    "reports": "document",
    "to_html": "markdown",
}

__all__ = [
    "TEMPLATES",
    "Pin",
    "PinBlock",
    "Report",
    "TextBlock",
    "add_pin",
    "build",
    "find_pin",
    "new",
    "open_report",
    "pin_network",
    "pin_run",
    "pins",
    "remove_pin",
    "reports",
    "to_html",
]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
