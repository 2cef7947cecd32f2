"""The one spelling of labels, groups and metadata."""

from __future__ import annotations

import pytest

from holotype.errors import UsageError
from holotype.intake.words import clean_group, clean_label, clean_meta


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "the label is empty"),
        ("x" * 201, "is longer than 200 characters"),
        ("\u200b\u00ad \ufeff", r"the label '\\\\u200b\\\\xad \\\\ufeff' shows nothing"),
        ("\u3164", "shows nothing"),
        ("a\x1b[31mb", r"the label 'a\\x1b\[31mb' holds characters that cannot be printed"),
        ("red\u202egpj", r"the label 'red\\u202egpj' holds characters that do not show"),
        ("\u2066red\u2069", "change the order of those that do"),
        ("\U0001f3f4\U000e0067\U000e007f", "holds characters that do not show"),
        ("\udce9", "is no UTF-8"),
        (".", "the label '.' cannot be used"),
        ("..", "Choose another label"),
        ("bees/../wasps", "lead to another class"),
    ],
)
def test_clean_label__refuses(text: str, message: str) -> None:
    """A label that could not be shown or addressed is refused with what is wrong."""
    with pytest.raises(UsageError, match=message):
        clean_label(text)


@pytest.mark.parametrize("label", ["...", "v1.2", "a/.b", "Apis cf. mellifera", "sp./1"])
def test_clean_label__dots_are_fine_elsewhere(label: str) -> None:
    """Only a whole part between slashes means a folder."""
    assert clean_label(label) == label


def test_clean_label__one_spelling() -> None:
    """Letters are composed, words have one space between them; everything else stays as it is."""
    assert clean_label(" Bombus  cafe\N{COMBINING ACUTE ACCENT}\u200b ") == "Bombus caf\xe9"
    assert clean_label("Apis\u00a0mellifera\n") == "Apis mellifera"
    assert clean_group("slide 1/2") == "slide 1/2"


def test_clean_meta__bare_keys_without_empty_values() -> None:
    """`meta.` is optional, values that show nothing are no values, a malformed key is named."""
    given = {"meta.site": " roof\u00a0top", "year": "", "note": "\u200b"}
    assert clean_meta(given) == {"site": "roof top"}
    assert clean_meta({" Date\u00a0collected": "x"}) == {"Date_collected": "x"}
    with pytest.raises(UsageError, match=r"metadata key 'a\.b' is malformed"):
        clean_meta({"a.b": "x"})
    with pytest.raises(UsageError, match=r"the value of 'site' 'caf\ufffd' holds U\+FFFD"):
        clean_meta({"site": "caf\ufffd"})
