"""What a label, a group and metadata may look like, and how they are made uniform.

Text that looks the same must be the same (`holotype.characters.uniform`): file systems differ
in how they spell an accented letter, spreadsheets in which space they put between words.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from holotype.characters import OVERRULING, TAGS, printable, uniform
from holotype.errors import UsageError
from holotype.references import META_KEY

MAX_LABEL = 200
"""Characters; a label is a column heading, a legend and a folder name."""


def clean_label(text: str) -> str:
    """The label in its one spelling, to give to references.

    Raises:
        UsageError: it is empty or shows nothing, is longer than 200 characters, holds control
            characters or characters that overrule the direction of text, or is a way through
            folders: whoever reads `/v1/classes/a/../b` takes it for class `b`.
    """
    label = _clean("label", text)
    if not {".", ".."}.isdisjoint(label.split("/")):
        raise UsageError(
            f"the label {label!r} cannot be used: in an address, '.' and '..' between slashes "
            "lead to another class. Choose another label"
        )
    return label


def label_sought(text: str) -> str:
    """The spelling under which a label is found; it may be one that `clean_label` refuses.

    Raises:
        UsageError: no label could ever look like this.
    """
    if not text.strip():
        raise UsageError("the label is empty")
    return unicodedata.normalize("NFC", text.strip())


def clean_group(text: str) -> str:
    """The group's name in its one spelling.

    Raises:
        UsageError: as for `clean_label`.
    """
    return _clean("group", text)


def clean_meta(meta: Mapping[str, str]) -> dict[str, str]:
    """Metadata with bare keys (`meta.` is optional) and no empty values.

    Raises:
        UsageError: a key is not up to 64 letters, digits, '_' and '-'.
    """
    return {
        clean_meta_key(key): spelled for key, value in meta.items() if (spelled := uniform(value))
    }


def clean_meta_key(key: str) -> str:
    """A metadata key without its optional `meta.`.

    Raises:
        UsageError: it is not up to 64 letters, digits, '_' and '-'.
    """
    bare = key.removeprefix("meta.")
    if not META_KEY.fullmatch(bare):
        raise UsageError(
            f"metadata key {key!r} is malformed: up to 64 letters, digits, '_' and '-' are allowed"
        )
    return bare


def readable(path: Path | str) -> str:
    """A path as text that can be printed and stored.

    Linux file names are bytes; Python carries those that are not UTF-8 as lone surrogates,
    which neither JSON nor the store can hold. Other surrogates, which no file name has, become
    question marks.
    """
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = os.fspath(path).encode("utf-8", errors="replace")
    return encoded.decode("utf-8", errors="replace")


def _clean(what: str, text: str) -> str:
    cleaned = uniform(text)
    if not cleaned:
        shown = f" {printable(text)!r} shows nothing" if text.strip() else " is empty"
        raise UsageError(f"the {what}{shown}")
    if len(cleaned) > MAX_LABEL:
        raise UsageError(f"the {what} {cleaned[:40]!r}... is longer than {MAX_LABEL} characters")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in cleaned):
        raise UsageError(f"the {what} {cleaned!r} holds characters that cannot be printed")
    if OVERRULING.search(cleaned) or TAGS.search(cleaned):
        raise UsageError(
            f"the {what} {cleaned!r} holds characters that do not show, or change the order of "
            "those that do: write it without them"
        )
    return cleaned
