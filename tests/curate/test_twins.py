"""Pairs that are far nearer than their classes are, and how near that is."""

from __future__ import annotations

import numpy as np
import pytest

from curate import twins
from curate.twins import EXACT, find_pairs, thresholds
from tests.curate.views import classes, twin_of, unit_rows


def codes_of(labels: list[str]) -> np.typing.NDArray[np.int64]:
    """(N,) a number for each."""
    return np.unique(labels, return_inverse=True)[1]


@pytest.mark.parametrize("block", [7, 64, 2048])
@pytest.mark.parametrize("first", [None, 20])
@pytest.mark.parametrize("few", [0, 4])
@pytest.mark.parametrize("leading", [2, 15, 96])
def test_find_pairs__are_those_of_all_products(
    block: int, first: int | None, few: int, leading: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair above both limits once, whatever the blocks; of a sample only its pairs."""
    for name, value in {"BLOCK": block, "FEW": few, "LEADING": leading}.items():
        monkeypatch.setattr(twins, name, value)
    vectors, _ = classes(4, 15, spread=0.5)
    limits = np.random.default_rng(1).uniform(0.6, 0.9, len(vectors))
    compared: list[int] = []
    found = find_pairs(vectors, limits, first=first, advance=compared.append)
    products = vectors @ vectors.T
    expected = [
        (i, j)
        for i in range(first or len(vectors))
        for j in range(i + 1, len(vectors))
        if products[i, j] > max(limits[i], limits[j])
    ]
    assert len(expected) > 20
    assert sorted(map(tuple, found.rows.tolist())) == expected
    np.testing.assert_allclose(found.cosines, products[tuple(found.rows.T)], rtol=1e-5)
    assert sum(compared) == (first or len(vectors))


def test_find_pairs__of_one_picture_a_thousand_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the half million pairs that still connects all of them."""
    monkeypatch.setattr(twins, "BLOCK", 128)
    vectors = unit_rows(np.ones((1000, 8)))
    found = find_pairs(vectors, np.full(1000, 0.9))
    assert len(found.rows) < 1000 * 3 * twins.CROWD
    reached = {0}
    for a, b in sorted(map(tuple, found.rows.tolist())):
        if a in reached or b in reached:
            reached |= {a, b}
    assert len(reached) == 1000


def test_thresholds__part_twins_from_look_alikes() -> None:
    """A class of look-alikes asks for more; planted twins are above, nearly all others below."""
    alike, _ = classes(1, 60, spread=0.15, seed=1)
    varied, labels = classes(4, 60, spread=0.7, seed=2)
    vectors = np.concatenate([alike, varied])
    codes = np.concatenate([np.zeros(60, np.int64), 1 + codes_of(labels)])
    found = thresholds(vectors, codes, 5)
    assert found[0] > 0.99 > found[1:].max()
    pairs = find_pairs(vectors, found[codes])
    assert len(pairs.rows) <= 2
    usual = 1 - np.median(vectors[60:120] @ vectors[60:120].T)
    plants = [twin_of(vectors, row, distance=0.1 * usual) for row in range(60, 180, 3)]
    more, more_codes = np.concatenate([vectors, *plants]), codes.tolist() + codes[60:180:3].tolist()
    with_twins = thresholds(more, np.array(more_codes), 5)
    np.testing.assert_allclose(1 - with_twins, 1 - found, rtol=0.15)
    twins_found = find_pairs(more, with_twins[more_codes])
    assert {(60 + 3 * n, 300 + n) for n in range(40)} <= set(map(tuple, twins_found.rows.tolist()))


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([[1, 0]] * 40, [0] * 40),
        ([[1, 0]] * 2, [0, 0]),
        ([[1, 0], [0, 1]], [0, 1]),
        ([[1, 0], [1, 0.1], [0, 1]], [0, 1, 2]),
    ],
)
def test_thresholds__of_hardly_anything(rows: list[list[float]], codes: list[int]) -> None:
    """All duplicates, two references, one a class: a cosine, and copies are above it."""
    found = thresholds(unit_rows(rows), np.array(codes), max(codes) + 1)
    assert np.isfinite(found).all()
    assert (found <= EXACT).all()
    assert (found > 0).all()
