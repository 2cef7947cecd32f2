"""Errors of another process are raised as what they were there."""

from __future__ import annotations

import re

import pytest

from holotype import errors


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UnknownHead", errors.UnknownHead),
        ("HeadBusy", errors.HeadBusy),
        ("UsageError", errors.UsageError),
        ("HolotypeError", errors.HolotypeError),
        # These take more than a message: what can be said of them is said by their ancestor.
        ("UnknownFilterKey", errors.UsageError),
        ("FingerprintMismatch", errors.StoreError),
        ("StoreLocked", errors.StoreError),
        ("KeyError", errors.HolotypeError),
    ],
)
def test_by_name__class_and_message(name: str, expected: type[errors.HolotypeError]) -> None:
    """The class as near as it can be, and the message word for word."""
    error = errors.by_name(name, "what happened, what to do")
    assert type(error) is expected
    assert str(error) == "what happened, what to do"


def test_tree__drawn_as_it_is() -> None:
    """The tree in the module's docstring names every class, under its parent."""
    drawn: list[tuple[str, str]] = []
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)([A-Z]\w+)(?: {2,}|$)", line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            if depth:
                drawn.append((path[depth - 1], found[2]))
    actual = {
        (kind.__bases__[0].__name__, kind.__name__)
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.HolotypeError)
        and kind is not errors.HolotypeError
    }
    assert set(drawn) == actual
