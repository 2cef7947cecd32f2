"""Characters that do not show, or that act on whatever shows them; and text without them.

`uniform` gives text its one spelling, so that what looks the same is the same. `printable` is
for showing: text that somebody else chose (the name of a file) reaches no terminal raw.
"""

from __future__ import annotations

import json
import re
import unicodedata

ZWNJ, ZWJ = "\u200c", "\u200d"

OVERRULING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates: text that holds one may read as other text."""

TAGS = re.compile("[\U000e0001\U000e0020-\U000e007f]")
"""Invisible letters, which make flags, and hide text."""

# Unicode's Default_Ignorable_Code_Point, less tags and what is refused above. The two joiners
# are dealt with apart: in some scripts they show.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2060-\u2065"
    "\u206a-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000\U000e0002-\U000e001f\U000e0080-\U000e0fff]"
)
# All that Unicode calls White_Space, and no other control character.
_WHITE = re.compile("[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_JOINERS = re.compile(f"[{ZWNJ}{ZWJ}]+")
# Letters that join to nothing after them, so that a joiner there does not show.
_ENDING = re.compile(
    "[\u0621-\u0625\u0627\u0629\u062f-\u0632\u0648\u0671-\u0677\u0688-\u0699\u06c0\u06c3-\u06cb"
    "\u06cd\u06cf\u06d2\u06d3\u06d5\u06ee\u06ef]"
)
# What shows nothing although Python calls it printable; in names, worth seeing.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_VIRAMA = 9
"""The combining class of the sign after which a joiner chooses between forms of a letter."""


def uniform(text: str) -> str:
    """The one spelling of text: NFC, one space between words and none around them.

    What does not show is left out: zero-width and soft characters, marks of direction, variation
    selectors. Joiners stay where they show (between letters that join, after a virama, in an
    emoji). Applying it twice is applying it once.
    """
    if text.isascii():
        return _WHITE.sub(" ", text).strip(" ")
    before, seen = None, _nfc(_WHITE.sub(" ", _IGNORABLE.sub("", text)).strip(" "))
    while seen != before:  # a joiner that goes lets marks change places around the next one
        before, seen = seen, _nfc(_JOINERS.sub(_joiner_that_shows, seen))
    return seen


def printable(text: str) -> str:
    """One line that a terminal only shows: what would act on it, or not be seen, is escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in text)


def printable_json(data: object) -> str:
    """One line of JSON, exact, in which the same characters are escaped as JSON has it."""
    text = json.dumps(data, ensure_ascii=False)
    if text.isascii() and text.isprintable():
        return text
    # They can only stand within strings, where JSON reads its escapes as the characters.
    return "".join(c if _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _is_harmless(c: str) -> bool:
    if c.isprintable():
        return c not in _BLANK
    return c in {ZWNJ, ZWJ} or unicodedata.category(c) == "Zs"


def _joiner_that_shows(match: re.Match[str]) -> str:
    text, joiner = match.string, match[0][0]
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    if not before or not after:
        return ""
    if unicodedata.combining(before) == _VIRAMA:
        shows = unicodedata.category(after) == "Lo"
    elif unicodedata.bidirectional(after) == "AL":
        shows = unicodedata.bidirectional(before) == "AL" and not _ENDING.match(before)
    else:  # a family, a job, a flag: several pictures that are drawn as one
        shows = joiner == ZWJ and {unicodedata.category(before), unicodedata.category(after)} <= {
            "So",
            "Sk",
        }
    return joiner if shows else ""
