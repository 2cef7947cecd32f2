"""Labels that somebody typed, beside those that there are."""

from __future__ import annotations

import pytest

from holotype.errors import HolotypeError
from holotype.labels import MOST_COMPARED, Alike, distance, known_label, nearest, slips


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("croton", "croton", 0),
        ("crotn", "croton", 1),
        ("corton", "croton", 1),  # two letters changed places
        ("croton", "cretin", 2),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
    ],
)
def test_distance__by_hand(one: str, other: str, edits: int) -> None:
    """A letter more, less, another, or two that changed places, are one edit each."""
    assert distance(one, other) == distance(other, one) == edits


@pytest.mark.parametrize(
    ("new", "there", "found"),
    [
        ("crotn", "croton", "croton"),
        ("Croton", "croton", "croton"),
        ("hyptys sp", "hyptis sp.", "hyptis sp."),
        ("syagrus", "matayba", None),
        ("bees", "bee", "bee"),
        ("beess", "bee", None),  # short: one edit at most
        ("ab", "ac", None),  # too short for any
        ("A", "a", "a"),
        ("class 1", "class 2", None),  # numbers are meant
        ("clas 2", "class 2", "class 2"),
        ("croton", "croton", None),  # not new
    ],
)
def test_slips__of_a_gallery(new: str, there: str, found: str | None) -> None:
    """A new label that is nearly one of the gallery; the rules for short ones and for numbers."""
    assert [slip.other for slip in slips({new: 3}, {there: 9})] == ([found] if found else [])


def test_slips__of_the_same_run() -> None:
    """The rarer of two new labels is the slip; case alone is told apart."""
    found = list(slips({"crotn": 2, "croton": 40, "CROTON": 1}, {}))
    assert found == [
        Alike("crotn", "croton", case_alone=False),
        Alike("CROTON", "croton", case_alone=True),
    ]


def test_slips__of_very_many_labels_are_those_of_case() -> None:
    """Comparing all of them letter by letter would take minutes."""
    side = int(MOST_COMPARED**0.5)
    known = {f"label {chr(97 + i % 26)}{i}": 1 for i in range(side)}
    new = {f"kind {i} x": 1 for i in range(side)} | {"LABEL B1": 1, "labell b1": 1}
    assert [slip.label for slip in slips(new, known)] == ["LABEL B1"]


def test_nearest__does_not_mind_case() -> None:
    """Names in their own spelling, nearest first."""
    assert nearest("POLEN", ["pollen", "Plankton", "Pollen"]) == ["pollen", "Pollen"]
    assert nearest("xyz", ["pollen"]) == []


def test_known_label__says_what_may_have_been_meant() -> None:
    """The nearest; where none is near, what there is."""
    assert known_label("bee", ["bee", "wasp"], gallery="g") == ["bee"]
    with pytest.raises(HolotypeError, match="'wsp': did you mean 'wasp'"):
        known_label("wsp", ["bee", "wasp"], gallery="g")
    with pytest.raises(HolotypeError, match="'qqq': it has bee, wasp"):
        known_label("qqq", ["bee", "wasp"], gallery="g")
