"""Text in cells: what a spreadsheet would take for a formula, and run."""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")

_ACTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(value: Value) -> Value | str:
    """Text that would act gets an apostrophe in front, which spreadsheets do not show.

    Who names a file or a label would be running it. All else is as it was.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_ACTS) else value
