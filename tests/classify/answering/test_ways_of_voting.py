"""A head's calibration is of one way of voting, which the head brings with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from classify.answering.answers import Answer
from classify.answering.classifier import Classifier
from classify.answering.modes import MetricName, Mode, Vote
from classify.answering.options import DEFAULT_RERANK, QueryOptions
from head.job import retrain
from head.options import RetrainOptions
from head.versions import registry
from holotype import votes
from holotype.references import Vectors
from holotype.store.port import VectorStore
from holotype.votes import BY_METRIC
from tests.classify.conftest import ColourGallery, picture


@pytest.fixture
def store(own_gallery: ColourGallery) -> Iterator[VectorStore]:
    """Red, green and blue, with a head from a real retrain."""
    with own_gallery.open() as opened:
        retrain(opened, RetrainOptions(device="cpu"))
        yield opened


@pytest.fixture
def query(own_gallery: ColourGallery) -> Vectors:
    """(1, D) a red query."""
    return own_gallery.embed(picture("red", 77))[None]


@pytest.fixture
def time_goes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version of the program, in which neighbours vote with another nugget."""
    rule = replace(BY_METRIC.rule, nugget=3.0)
    monkeypatch.setattr(votes, "BY_METRIC", replace(BY_METRIC, rule=rule))


def _ask(store: VectorStore, vectors: Vectors, options: QueryOptions) -> Answer:
    (answer,) = Classifier(store).classify(vectors, options)
    return answer


def _as_of_before(store: VectorStore) -> None:
    """Make the active head one whose calibration does not say what it was fitted to."""
    pointer = store.active_head()
    assert pointer is not None
    stored = store.load_head(pointer.version)
    parameters = stored.record.report["parameters"]
    calibration = {
        mode: {key: value for key, value in data.items() if key != "voting"}
        for mode, data in parameters["calibration"].items()
    }
    report = {**stored.record.report, "parameters": {**parameters, "calibration": calibration}}
    record = replace(stored.record, version="20260303-000000-cccc", report=report)
    store.save_head(replace(stored, record=record))
    registry.promote(store, record.version)


def test_defaults__are_what_a_head_of_today_is_calibrated_for(
    store: VectorStore, query: Vectors
) -> None:
    """A query without options, and one that spells the defaults out, are calibrated alike."""
    assert BY_METRIC.candidates == DEFAULT_RERANK
    spelled = QueryOptions(vote=Vote.KRIGING, metric=MetricName.LEARNED, k=100)
    assert _ask(store, query, QueryOptions()).calibrated
    assert _ask(store, query, spelled).scores == _ask(store, query, QueryOptions()).scores


@pytest.mark.parametrize("mode", [Mode.KNN, Mode.AUTO])
@pytest.mark.parametrize("of_before", [False, True])
def test_other_constants__a_head_votes_as_it_was_calibrated(
    store: VectorStore,
    query: Vectors,
    mode: Mode,
    of_before: bool,
    request: pytest.FixtureRequest,
) -> None:
    """A head answers the same after the program changed, also one that says nothing of votes."""
    before = _ask(store, query, QueryOptions(mode=mode))
    if of_before:
        _as_of_before(store)
    request.getfixturevalue("time_goes_by")
    after = _ask(store, query, QueryOptions(mode=mode))
    assert after.calibrated
    assert after.scores == before.scores


@pytest.mark.parametrize("of_before", [False, True])
@pytest.mark.usefixtures("time_goes_by")
def test_other_constants__votes_made_otherwise_are_not_calibrated(
    store: VectorStore, query: Vectors, of_before: bool
) -> None:
    """What is asked for by name votes as the program does today: no probability of the head's."""
    if of_before:
        _as_of_before(store)
    asked = QueryOptions(vote=Vote.KRIGING)
    answer = _ask(store, query, asked)
    assert not answer.calibrated
    assert not _ask(store, query, replace(asked, mode=Mode.AUTO)).calibrated
    assert answer.scores != _ask(store, query, QueryOptions()).scores
