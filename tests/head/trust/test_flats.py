"""What the references of classes span."""

from __future__ import annotations

import numpy as np
import pytest

from head.fit.whitening import Metric
from head.trust.flats import DIRECTIONS, RIDGE, ROWS, Flats, spanned
from head.trust.gate import Gate, Gated, Landmarks


def unit(*rows: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Of length 1."""
    array = np.array(rows, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def test_nearness__by_hand() -> None:
    """One reference: its squared cosine; two at a right angle: the sum; the ridge off both."""
    flats = Flats.joined([spanned(unit([1, 0, 0])), spanned(unit([1, 0, 0], [0, 1, 0]))])
    near = flats.nearness(unit([0.6, 0.0, 0.8], [0.48, 0.6, 0.64]))
    by_hand = np.array([[0.36, 0.36], [0.48**2, 0.48**2 + 0.36]]) / (1 + RIDGE)
    np.testing.assert_allclose(near, by_hand, rtol=1e-5)


def test_nearness__is_the_ridge_regression_on_the_references() -> None:
    """As the formula of the module says, and the same for references that are given twice."""
    rng = np.random.default_rng(0)
    references, queries = (unit(*rng.normal(size=(n, 20)).tolist()) for n in (5, 30))
    gram = references @ references.T + RIDGE * np.eye(5)
    products = queries @ references.T
    expected = np.einsum("qi,ij,qj->q", products, np.linalg.inv(gram), products)
    near = Flats.joined([spanned(references)]).nearness(queries)[:, 0]
    np.testing.assert_allclose(near, expected, rtol=1e-4)


def test_of_classes__takes_each_class_s_own_rows() -> None:
    """In the order of the codes, of the rows that are asked for, whatever order they come in."""
    rng = np.random.default_rng(1)
    vectors = unit(*rng.normal(size=(30, 6)).tolist())
    codes = rng.permutation(np.repeat([0, 1, 2], 10))
    rows = np.flatnonzero(np.arange(30) % 5 > 0)
    flats = Flats.of_classes(vectors, codes, rows)
    assert len(flats.sizes) == 3
    for c, flat in enumerate(flats.split()):
        alone = Flats.joined([spanned(vectors[rows][codes[rows] == c])])
        np.testing.assert_allclose(
            Flats.joined([flat]).nearness(vectors), alone.nearness(vectors), rtol=1e-4
        )


@pytest.mark.parametrize(("classes", "directions"), [(3, DIRECTIONS), (ROWS // 2, 2), (ROWS, 1)])
def test_of_classes__is_bounded(classes: int, directions: int) -> None:
    """Many classes have fewer directions each; every one has a row."""
    vectors = unit(*np.random.default_rng(2).normal(size=(classes * 10, 12)).tolist())
    codes = np.repeat(np.arange(classes), 10)
    flats = Flats.of_classes(vectors, codes, np.arange(len(codes)))
    assert set(flats.sizes.tolist()) == {directions}


def test_gate__finds_what_the_references_span_far_from_their_mean() -> None:
    """A newcomer of two unlike references: a query like one of them is as near as can be."""
    metric = Metric(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    references, known = unit([1, 0, 0, 0], [0, 1, 0, 0]), unit([0.5, 0.5, 1.0, 0.0])
    gate = Gate(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 10.0, -10.0]), asked=98)
    gated = Gated(
        gate,
        metric,
        known=Landmarks.of(metric, known, Flats.joined([spanned(known)])),
        newcomers=Landmarks.of(
            metric, references.mean(axis=0)[None], Flats.joined([spanned(references)])
        ),
        counts=np.array([2.0]),
    )
    share = gated.share(unit([1, 0.2, 0, 0.1], [0, 0, 1, 0.2]))[:, 0]
    assert share[0] > 0.95
    assert share[1] < 0.05
