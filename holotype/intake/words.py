"""What a label, a group and metadata may look like, and how they are made uniform.

Text that looks the same must be the same (`holotype.characters.uniform`): file systems differ
in how they spell an accented letter, spreadsheets in which space they put between words.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import Path

from holotype.characters import OVERRULING, TAGS, printable, uniform
from holotype.errors import UsageError
from holotype.references import meta_key

_EXACT = 2**53
"""Whole floats up to here are the numbers that were meant."""

MAX_LABEL = 200
"""Characters; a label is a column heading, a legend and a folder name."""


def clean_label(text: str) -> str:
    """The label in its one spelling, to give to references.

    Raises:
        UsageError: it is empty or shows nothing, is longer than 200 characters, holds control
            characters, letters that were lost or characters that overrule the direction of text,
            or is a way through folders: whoever reads `/v1/classes/a/../b` takes it for class `b`.
    """
    label = _clean("label", text)
    if not {".", ".."}.isdisjoint(label.split("/")):
        raise UsageError(
            f"the label {label!r} cannot be used: in an address, '.' and '..' between slashes "
            "lead to another class. Choose another label"
        )
    return label


def clean_group(text: str) -> str:
    """The group's name in its one spelling.

    Raises:
        UsageError: as for `clean_label`.
    """
    return _clean("group", text)


def clean_id(text: str) -> str:
    """The name by which somebody knows a reference, in its one spelling.

    Raises:
        UsageError: as for `clean_label`.
    """
    return _clean("id", text)


def clean_space(text: str) -> str:
    """The name of an embedding space in its one spelling.

    Raises:
        UsageError: as for `clean_label`.
    """
    return _clean("name of the space", text)


def clean_meta(meta: Mapping[str, str]) -> dict[str, str]:
    """Metadata with bare keys (`meta.` is optional), values in their one spelling, none empty.

    Raises:
        UsageError: a key is malformed, or a value holds what a label may not hold.
    """
    spelled = ((meta_key(key), uniform(value)) for key, value in meta.items())
    return {key: _checked(f"value of {key!r}", value) for key, value in spelled if value}


def text_of(what: str, value: object) -> str:
    """A value of somebody's table as text; empty where there is none.

    Whole numbers are written without `.0`, which tables add where one of them is missing.

    Args:
        what: the column, for messages.
        value: text, a number, a date, true or false; None and NaN are no value.

    Raises:
        UsageError: it is something else.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        whole = -_EXACT <= value <= _EXACT and value == int(value)
        return str(int(value)) if whole else str(value)
    if isinstance(value, str | int | date | time):
        return str(value)
    raise UsageError(f"{what} is {value!r}: text, a number, a date or true/false is needed")


def readable(path: Path | str) -> str:
    r"""A path as text that can be printed and stored.

    Linux file names are bytes; Python carries those that are not UTF-8 as lone surrogates,
    which neither JSON nor the store can hold: they become escapes (`caf\xe9.png`), so that two
    names that differ stay two names.
    """
    text = os.fspath(path)
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:  # a surrogate that no file name has
        encoded = text.encode("utf-8", "backslashreplace")
    return encoded.decode("utf-8", "backslashreplace")


def _clean(what: str, text: str) -> str:
    cleaned = uniform(text)
    if not cleaned:
        shown = f" {printable(text)!r} shows nothing" if text.strip() else " is empty"
        raise UsageError(f"the {what}{shown}")
    if len(cleaned) > MAX_LABEL:
        raise UsageError(f"the {what} {cleaned[:40]!r}... is longer than {MAX_LABEL} characters")
    return _checked(what, cleaned)


def _checked(what: str, text: str) -> str:
    """Text in its one spelling, unless it holds what nobody could read."""
    categories = {unicodedata.category(c) for c in text}
    if "Cs" in categories:
        raise UsageError(f"the {what} {text!r} is no UTF-8: rename or save anew what it comes from")
    if "Cc" in categories:
        raise UsageError(f"the {what} {text!r} holds characters that cannot be printed")
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise UsageError(
            f"the {what} {text!r} holds U+FFFD, which stands for a letter that was lost when the "
            "text was read in another encoding than it was written in: restore it first"
        )
    if OVERRULING.search(text) or TAGS.search(text):
        raise UsageError(
            f"the {what} {text!r} holds characters that do not show, or change the order of "
            "those that do: write it without them"
        )
    return text
