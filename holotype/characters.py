"""Characters that do not show, or that act on whatever shows them; and text without them.

`uniform` gives text its one spelling, so that what looks the same is the same. `printable` is
for showing: text that somebody else chose (the name of a file) reaches no terminal raw.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from itertools import zip_longest

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
_LOOK_ALIKE = str.maketrans(
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425\u0423"
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u04bb\u0501\u051b\u051d"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03bd"
    "\u2010\u2012\u2013\u2014\u2212\u2018\u2019\u02bc\u2032\u201c\u201d\u2033\u0131\u00d7",
    "ABCEHIJKMOPSTXYaceijopsxyhdqwABEZHIKMNOPTYXov-----" + 4 * "'" + 3 * '"' + "ix",
)
_ACTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_VIRAMA = 9
"""The combining class of the sign after which a joiner chooses between forms of a letter."""


def uniform(text: str) -> str:
    """The one spelling of text: NFC, one space between words and none around them.

    What does not show is left out: zero-width and soft characters, marks of direction, variation
    selectors. Joiners stay where they show (between letters that join, after a virama, in an
    emoji). Applying it twice is applying it once.
    """
    if text.isascii():
        return _spaced(text)
    before, seen = None, _spaced(_IGNORABLE.sub("", text))
    while seen != before:  # a joiner that goes lets marks change places around the next one
        before, seen = seen, _spaced(_JOINERS.sub(_joiner_that_shows, seen))
    return seen


def spellings(text: str) -> tuple[str, ...]:
    """Those under which text may be stored: today's, and that of earlier versions."""
    return tuple(dict.fromkeys((uniform(text), _nfc(text.strip()))))


def path_spellings(text: str) -> tuple[str, ...]:
    """Those in which a file system may spell a path: they are stored as they were found."""
    given = text.strip()
    composed, decomposed = _nfc(given), unicodedata.normalize("NFD", given)
    return tuple(dict.fromkeys((uniform(text), given, composed, decomposed)))


def alike(text: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that are `text` in its one spelling, however they were written."""
    spelling = uniform(text)
    return [one for one in known if one == text or uniform(one) == spelling]


def difference(text: str, other: str) -> str:
    """What tells two texts apart that look the same; empty where a reader sees it.

    Characters that look alike are known for Latin, Greek and Cyrillic letters, dashes, quotes and
    what Unicode calls compatible; this is help for a message, and no guard against deceit.
    """
    if text == other or _look(text) != _look(other):
        return ""
    at, pair = next((i, p) for i, p in enumerate(zip_longest(text, other)) if p[0] != p[1])
    one, two = (_called(character) for character in pair)
    return f"they look the same, but character {at + 1} is {one} in the one and {two} in the other"


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


def printable_ascii_json(data: object) -> str:
    """The same in ASCII alone."""
    return json.dumps(data).replace("\x7f", r"\u007f")


def _look(text: str) -> str:
    return unicodedata.normalize("NFKD", uniform(text)).translate(_LOOK_ALIKE)


def _called(character: str | None) -> str:
    if character is None:
        return "missing"
    name = unicodedata.name(character, "without a name")
    return f"U+{ord(character):04X} ({name})"


def _spaced(text: str) -> str:
    return _nfc(_WHITE.sub(" ", text).strip(" "))


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


def harmless_cell(value: str | float | None) -> str | float | None:
    """A value for a CSV file. A number stays one, and no text is a formula.

    A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and runs it: who
    names a file or a label would be running it. Such text gets an apostrophe in front, which
    spreadsheets do not show.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_ACTS) else value
