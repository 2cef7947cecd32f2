"""Text without characters that do not show, or that act on what shows them."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holotype.characters import OVERRULING, TAGS, printable, printable_json, uniform

JOINED = {
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Devanagari": "\u0915\u094d\u200d\u0937",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
}

texts = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "ae \u00a0\u200b\u200c\u200d\u0301\ufe0f\u094d\u0951\u0915\u0627\u0645"
            "\u3164\u2764\u202e\n\x1b"
        ),
    )
)


@pytest.mark.parametrize(
    "text",
    [
        "Apis mellifera",
        "Apis\u00a0mellifera",
        "  Apis \t\n mellifera ",
        "Apis\u2003\u3000mellifera\u200b",
        "\ufeffApis melli\u00adfera",
        "\u200eApis \u200dmelli\u200cfera\u200f",
        "Ap\u034fis mellifera\ufe0f",
    ],
)
def test_uniform__what_looks_the_same_is_the_same(text: str) -> None:
    """White space of any kind is one space; what does not show is left out."""
    assert uniform(text) == "Apis mellifera"


def test_uniform__letters_are_composed_also_around_what_does_not_show() -> None:
    """A mark that an invisible character kept from its letter joins it."""
    assert uniform("Ka\u0308fer") == uniform("Ka\u034f\u0308fer") == "K\u00e4fer"


@pytest.mark.parametrize("script", JOINED)
def test_uniform__joiners_stay_where_they_show(script: str) -> None:
    """In some scripts, and between pictures, a joiner changes what is seen."""
    assert uniform(f"\u200d{JOINED[script]}\u200c") == JOINED[script]


def test_uniform__joiners_go_where_they_do_not_show() -> None:
    """Alef joins to nothing after it, so nobody sees whether a joiner follows it."""
    assert uniform("\u0627\u200c\u0645") == "\u0627\u0645"


@settings(max_examples=500)
@given(st.one_of(texts, st.text("a \u00a0\u200b\u200c\u200d\u0301\u094d\u0951\u0915\u0627\u0645")))
@example("a \u200d b \u200c")
def test_uniform__twice_is_once(text: str) -> None:
    """The spelling of a spelling is itself, in NFC, and without blanks around it."""
    once = uniform(text)
    assert uniform(once) == once == unicodedata.normalize("NFC", once) == once.strip(" ")


@given(texts, st.integers(0, 20), st.sampled_from("\u200b\u00ad\u2060\ufeff\u200e\ufe0f"))
def test_uniform__invisible_characters_make_no_difference(text: str, at: int, unseen: str) -> None:
    """Wherever one is put in, the spelling is the same."""
    assert uniform(text[:at] + unseen + text[at:]) == uniform(text)


@given(texts)
def test_printable__nothing_acts_on_a_terminal(text: str) -> None:
    """No control character, no line break, nothing that reorders is left."""
    shown = printable(text)
    categories = {unicodedata.category(c) for c in shown} - {"Cf"}
    assert not categories & {"Cc", "Cs", "Zl", "Zp"}
    assert not OVERRULING.search(shown)
    assert not TAGS.search(shown)
    if text.isprintable() and text.isascii():
        assert shown == text


def test_printable__escapes_as_python_writes_them() -> None:
    """A person sees what is there; words of any script are shown as they are."""
    assert printable("a\x1b]0;x\x07\nb\u202ec\x9b\u3164") == r"a\x1b]0;x\x07\nb\u202ec\x9b\u3164"
    for text in (*JOINED.values(), "caf\u00e9\u00a0noir"):
        assert printable(text) == text


@given(st.dictionaries(texts, texts))
def test_printable_json__is_exact_and_shows_nothing_raw(data: dict[str, str]) -> None:
    """JSON reads the escapes as the characters that were there."""
    line = printable_json(data)
    assert json.loads(line) == data
    assert printable(line) == line
