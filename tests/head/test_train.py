"""Training as a function: arrays in, a head out, and nothing else touched."""

from __future__ import annotations

import pytest

from head.data.training_set import export_training_set
from head.job import retrain
from head.train import UNNAMED, train
from head.versions import registry
from holotype.errors import TooFewReferences
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.references import Pictures


def test_train__a_head_that_answers(clouds: Clouds) -> None:
    """Names vectors that it has not seen, in every mode's probabilities, without any store."""
    head = train(clouds.training_set(SIZES))
    assert (head.version, head.labels) == (UNNAMED, ("ant", "bee", "wasp"))
    assert set(head.calibration) == {"linear", "knn", "auto"}
    for code, label in enumerate(head.labels):
        probabilities = head.probabilities(clouds.of(label, 10, first=500))
        assert (probabilities.argmax(axis=1) == code).mean() >= 0.9
    assert head.record.report["cross_validation"]["references_scored"] == 36


def test_train__is_what_a_retrain_stores(
    store: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """The job adds a name and where it came from: numbers and figures are the function's."""
    store.add(clouds.references(SIZES, pictures))
    trained = train(export_training_set(store)[0])
    version = retrain(store).version
    assert version is not None
    stored = registry.load(store, version)
    assert (stored.weights == trained.weights).all()
    assert stored.calibration == trained.calibration
    figures = stored.record.report
    assert trained.record.report.items() <= figures.items()
    assert set(figures) - set(trained.record.report) == {
        "gallery",
        "fingerprint",
        "trained_at",
        "duration_s",
        "parameters",
    }


def test_train__one_class_is_refused(clouds: Clouds) -> None:
    """There is nothing to tell apart, and the message says so."""
    with pytest.raises(TooFewReferences, match="only 1: train on references of two at least"):
        train(clouds.training_set({"ant": 5}))


def test_train__against_a_champion(clouds: Clouds) -> None:
    """How it compares with the head that answers is in its report; without one there is nothing."""
    data = clouds.training_set(SIZES)
    first = train(data)
    assert first.record.report["comparison"] is None
    again = train(data, first)
    assert again.record.report["comparison"]["champion"] == UNNAMED
    assert again.record.report["comparison"]["references"] == 36
    assert again.record.report["comparison"]["worse"] is False


def test_train__same_arrays_same_head(clouds: Clouds) -> None:
    """No clock and no chance: two runs give the same numbers."""
    data = clouds.training_set(SIZES)
    first, second = train(data), train(data)
    assert (first.weights == second.weights).all()
    assert first.record.report == second.record.report
