"""Filters as plain data."""

from __future__ import annotations

import pytest

from holotype.references import Where


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        ([], {}),
        (["label=x", "label=y"], {("label", "="): ["x", "y"]}),
        (["label!=x", "group=g"], {("label", "!="): ["x"], ("group", "="): ["g"]}),
        (["label=x", "label=y", "label!=x"], {("label", "="): ["y"]}),
        (["label!=x", "label=y"], {("label", "="): ["y"]}),
        (["label=x", "label!=x", "site!=n"], {("label", "="): [], ("meta.site", "!="): ["n"]}),
    ],
)
def test_by_key__holds_no_contradiction(
    expressions: list[str], expected: dict[tuple[str, str], list[str]]
) -> None:
    """Values are grouped by key; what `=` and `!=` both name is selected by neither."""
    assert Where.parse(expressions).by_key() == expected


def test_excluding__adds_a_condition() -> None:
    """References of one value are left out, and the filter itself stays as it was."""
    where = Where.equal("label", "x")

    assert where.excluding("label", "x").expressions() == ["label=x", "label!=x"]
    assert where.expressions() == ["label=x"]
