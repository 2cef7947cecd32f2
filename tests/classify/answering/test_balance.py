"""Queries that come from all classes equally often, against a gallery where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from classify.answering.class_scores import ClassScores
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from head.job import retrain
from holotype.store.port import VectorStore
from tests.classify.conftest import ColourGallery, picture


def _shift(scores: dict[str, float], sizes: dict[str, int]) -> dict[str, float]:
    divided = {label: score / sizes[label] for label, score in scores.items()}
    return {label: score / sum(divided.values()) for label, score in divided.items()}


@pytest.fixture
def store(own_gallery: ColourGallery) -> Iterator[VectorStore]:
    """Of 27 greens and 9 reds some look like the other, so that no answer is quite sure."""
    looks = ["green"] * 15 + ["red"] * 6 + ["green"] * 3
    labels = ["green"] * 21 + ["red"] * 3
    own_gallery.fill(
        *(
            own_gallery.reference(picture(look, 100 + n), label)
            for n, (look, label) in enumerate(zip(looks, labels, strict=True))
        )
    )
    with own_gallery.open() as opened:
        retrain(opened)
        yield opened


def test_balanced__divides_by_the_size_of_each_class() -> None:
    """Half of the way is the square root; rows still sum to 1, and the ranking follows."""
    class_scores = ClassScores.by_score(Mode.KNN, ("common", "rare"), np.array([[0.8, 0.2]]))
    even = class_scores.balanced(np.array([64.0, 4.0]), 1.0)
    np.testing.assert_allclose(even.scores, [[0.8 / 64 / (0.8 / 64 + 0.05), 0.05 / 0.0625]])
    assert even.ranking[0, 0] == 1
    half = class_scores.balanced(np.array([64.0, 4.0]), 0.5)
    np.testing.assert_allclose(half.scores, [[0.1 / 0.2, 0.1 / 0.2]])
    assert class_scores.balanced(np.array([64.0, 4.0]), 0.0) is class_scores


@pytest.mark.parametrize("mode", list(Mode))
def test_balance__probabilities_of_every_mode_are_shifted(
    store: VectorStore, own_gallery: ColourGallery, mode: Mode
) -> None:
    """The probabilities are those without it, divided by the references of each class."""
    sizes = store.counts()
    assert sizes == {"green": 27, "red": 9, "blue": 6}
    between = own_gallery.embed(picture("red", 77)) + own_gallery.embed(picture("green", 77))
    query = (between / np.linalg.norm(between))[None]
    options = QueryOptions(mode=mode)
    classifier = Classifier(store)
    (plain,) = classifier.classify(query, options)
    (even,) = classifier.classify(query, replace(options, balance=1.0))
    before = {s.label: s.score for s in plain.scores}
    expected = _shift(before, sizes)
    assert {s.label: s.score for s in even.scores} == pytest.approx(expected)
    assert sum(score > 0.001 for score in before.values()) >= 2  # there is something to shift
    assert plain.calibrated
    assert not even.calibrated  # on these frequencies nothing was measured
    assert even.head == plain.head
