"""Calibrated scores, label sets, and both modes pooled; states are in `test_states`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest

from classify.answering.answers import Answer, answer_from
from classify.answering.class_scores import ClassScores
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from classify.answering.pooling import gated, pooled
from head.job import retrain
from head.options import RetrainOptions
from holotype.errors import NoActiveHead, UsageError
from holotype.references import Vectors, Where
from holotype.store.port import VectorStore
from tests.classify.conftest import (
    ColourGallery,
    Run,
    calibration_of_margins,
    picture,
    publish_head,
)

LABELS = ("blue", "green", "red")


@pytest.fixture
def store(own_gallery: ColourGallery) -> Iterator[VectorStore]:
    """Red, green and blue, with a head whose linear scores are calibrated."""
    with own_gallery.open() as opened:
        publish_head(opened, *LABELS, calibration={Mode.LINEAR: calibration_of_margins(1.0)})
        yield opened


def _ask(store: VectorStore, vectors: Vectors, **options: object) -> Answer:
    (answer,) = Classifier(store).classify(vectors, QueryOptions(**options))  # type: ignore[arg-type]
    return answer


@pytest.fixture
def query(own_gallery: ColourGallery) -> Vectors:
    """(1, D) a red query."""
    return own_gallery.embed(picture("red", 77))[None]


@pytest.fixture
def doubtful(own_gallery: ColourGallery) -> Vectors:
    """(1, D) half red, half green."""
    vector = own_gallery.embed(picture("red", 77)) + own_gallery.embed(picture("green", 78))
    return (vector / np.linalg.norm(vector)).astype(np.float32)[None]


def test_abstain__doubtful_is_unsure(store: VectorStore, query: Vectors, doubtful: Vectors) -> None:
    """A clear red is answered; half a red is unsure, with its reason and its likeliest label."""
    clear = _ask(store, query, mode=Mode.LINEAR, abstain_at=0.95)
    assert (clear.state, clear.label, clear.why) == ("answered", "red", None)
    assert clear.calibrated
    torn = _ask(store, doubtful, mode=Mode.LINEAR, abstain_at=0.95)
    assert (torn.state, torn.label) == ("unsure", torn.best)
    assert torn.label in {"red", "green"}
    assert "is below" in str(torn.why)
    assert "95% are right" in str(torn.why)


@pytest.mark.parametrize("mode", list(Mode))
def test_answer__is_read_back_from_its_json(
    store: VectorStore, doubtful: Vectors, mode: Mode
) -> None:
    """Named, unsure or with its set, it is the same; what a later version adds is no harm."""
    asked = ({}, {"abstain_at": 0.95}, {"coverage": 0.9})
    for options in asked if mode is Mode.LINEAR else asked[:1]:
        answer = _ask(store, doubtful, mode=mode, **options)
        sent = json.loads(json.dumps(asdict(answer) | {"of_a_later_version": 1}))
        assert answer_from(sent) == answer


def test_abstain__lower_demands_answer_more(store: VectorStore, doubtful: Vectors) -> None:
    """Who is content with 40 % right answers gets one."""
    assert _ask(store, doubtful, mode=Mode.LINEAR, abstain_at=0.4).state == "answered"


def test_label_set__holds_the_doubt(store: VectorStore, query: Vectors, doubtful: Vectors) -> None:
    """A clear query has one label in its set, a doubtful one both, best first."""
    assert _ask(store, query, mode=Mode.LINEAR, coverage=0.9).label_set == ("red",)
    torn = _ask(store, doubtful, mode=Mode.LINEAR, coverage=0.995)
    assert torn.label_set is not None
    assert {"red", "green"} <= set(torn.label_set)
    assert torn.label_set[0] == torn.best
    assert _ask(store, doubtful, mode=Mode.LINEAR).label_set is None


@pytest.mark.parametrize("options", [{"abstain_at": 0.9}, {"coverage": 0.9}])
def test_calibration__needs_a_head(
    gallery: ColourGallery, query: Vectors, options: dict[str, float]
) -> None:
    """Without a trained head no score is a probability: the remedy is named."""
    with gallery.open() as store, pytest.raises(NoActiveHead, match=r"run `retrain`"):
        _ask(store, query, **options)


def test_calibration__is_of_one_way_of_voting(store: VectorStore, query: Vectors) -> None:
    """Votes that were not calibrated are no probabilities, and nothing is promised of them."""
    assert not _ask(store, query).calibrated
    with pytest.raises(UsageError, match=r"leave --k, --metric.* at their defaults"):
        _ask(store, query, abstain_at=0.9)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--abstain-at", "1", "lies between 0 and 1"),
        ("--set", "0.3", "cover from 0.5 up to 1"),
    ],
)
def test_options__out_of_range(
    gallery: ColourGallery, run: Run, option: str, value: str, complaint: str
) -> None:
    """Shares that cannot be are a usage error."""
    ran = run("query", "-", option, value)
    assert ran.code == 2
    assert complaint in ran.err


def test_auto__shows_both_parts(store: VectorStore, query: Vectors) -> None:
    """The pooled answer carries what each mode said, and the neighbours."""
    answer = _ask(store, query, mode=Mode.AUTO)
    assert (answer.mode, answer.label) == (Mode.AUTO, "red")
    assert [part.mode for part in answer.parts] == [Mode.KNN, Mode.LINEAR]
    assert not answer.disagrees
    assert answer.neighbours
    assert answer.head == "20260101-000000-aaaa"
    assert sum(s.score for s in answer.scores) == pytest.approx(1)


def test_auto__without_a_head_is_k_nn(gallery: ColourGallery, query: Vectors) -> None:
    """Nothing trained: k-NN alone answers, and a notice says so."""
    with gallery.open() as store:
        answer = _ask(store, query, mode=Mode.AUTO)
    assert (answer.label, answer.parts) == ("red", ())
    assert "there is no head: k-NN answered alone" in answer.notices[0]


def test_auto__newer_classes_are_k_nn_s(own_gallery: ColourGallery) -> None:
    """A class that the head never saw is answered, on the word of its references."""
    with own_gallery.open() as store:
        publish_head(store, "green", "blue")
        query = own_gallery.embed(picture("red", 77))[None]
        answer = _ask(store, query, mode=Mode.AUTO)
        by_knn = _ask(store, query)
    assert answer.label == "red"
    assert answer.score == pytest.approx(by_knn.score)
    assert answer.disagrees


def test_auto__disagreement_is_named(own_gallery: ColourGallery, run: Run) -> None:
    """Where the parts would have answered differently, the table shows both."""
    with own_gallery.open() as store:
        publish_head(store, "green", "blue")
    ran = run("query", "-", "--mode", "auto", stdin=picture("red", 77))
    (line,) = [line for line in ran.out.splitlines() if line.startswith("  disagree")]
    assert "k-NN says red" in line
    assert "linear says " in line


def test_pooled__is_the_mean_where_nothing_is_calibrated() -> None:
    """0.8 and 0.2 make 0.5; a class that only k-NN knows keeps its part."""
    labels = ("ant", "bee", "new")
    linear = ClassScores.by_score(Mode.LINEAR, labels, np.array([[0.8, 0.2, 0.0]]))
    knn = ClassScores.by_score(Mode.KNN, labels, np.array([[0.1, 0.4, 0.5]]))
    both = pooled(linear, knn, newer={"new"}, calibration=None)
    assert both.scores[0] == pytest.approx([0.5 * (0.8 + 0.2) / 2, 0.5 * (0.2 + 0.8) / 2, 0.5])
    assert both.top(0, 1)[0].label == "new"


def test_pooled__calibration_is_applied_to_the_mean() -> None:
    """What both know is calibrated together; a row still sums to one."""
    labels = ("ant", "bee", "cat")
    linear = ClassScores.by_score(Mode.LINEAR, labels, np.array([[0.8, 0.1, 0.1]]))
    knn = ClassScores.by_score(Mode.KNN, labels, np.array([[0.6, 0.2, 0.2]]))
    calibration = calibration_of_margins(1.0)
    both = pooled(linear, knn, newer=(), calibration=calibration)
    expected = np.array([0.7, 0.15, 0.15]) ** (1 / calibration.temperature)
    expected = calibration.supported(expected[None] / expected.sum())[0]
    assert both.scores[0] == pytest.approx(expected)


def test_removed_class__is_gone_from_every_mode(
    own_gallery: ColourGallery, store: VectorStore, query: Vectors
) -> None:
    """Labels of the head that no reference carries any more are in no answer of any mode."""
    store.remove(where=Where.equal("label", "red"))
    for mode in Mode:
        answer = _ask(store, query, mode=mode)
        assert {s.label for s in answer.scores} <= {"green", "blue"}
        assert all(s.label != "red" for part in answer.parts for s in part.scores)


def test_defaults__are_what_retrain_calibrates(own_gallery: ColourGallery, query: Vectors) -> None:
    """After a real retrain every mode's scores are probabilities, and k-NN can abstain."""
    with own_gallery.open() as store:
        retrain(store, RetrainOptions(device="cpu"))
        for mode in Mode:
            answer = _ask(store, query, mode=mode, coverage=0.9)
            assert answer.calibrated
            assert answer.label_set is not None
            assert answer.best == "red"
        assert _ask(store, query).novelty is not None
        assert not _ask(store, query, k=5).calibrated


def test_newer_class__is_answered_by_the_head_at_once(own_gallery: ColourGallery) -> None:
    """A class added after a real retrain is in the linear answer, and a notice says how."""
    with own_gallery.open() as store:
        blues = store.remove(where=Where.equal("label", "blue"))
        retrain(store, RetrainOptions(device="cpu"))
        store.add([own_gallery.reference(picture("blue", seed), "blue") for seed in range(blues)])
        query = own_gallery.embed(picture("blue", 77))[None]
        answers = {mode: _ask(store, query, mode=mode) for mode in Mode}
    assert {mode: answer.label for mode, answer in answers.items()} == dict.fromkeys(Mode, "blue")
    assert (
        "knows 'blue', added since it was trained, by the mean" in answers[Mode.LINEAR].notices[0]
    )


def test_gated__newcomers_have_the_head_s_probability() -> None:
    """What the head leaves is shared out among the others as they voted."""
    labels = ("ant", "bee", "new")
    knn = ClassScores.by_score(Mode.KNN, labels, np.array([[0.6, 0.3, 0.1]]))
    linear = ClassScores.by_score(Mode.LINEAR, labels, np.array([[0.1, 0.2, 0.7]]))
    both = gated(knn, linear, newcomers={"new"})
    assert both.mode is Mode.KNN
    assert both.scores[0] == pytest.approx([0.2, 0.1, 0.7])
    assert both.top(0, 1)[0].label == "new"


def test_outdated_label__is_answered_from_today_s_references_with_a_notice(
    own_gallery: ColourGallery,
) -> None:
    """A name that was given to other pictures after a retrain: no mode answers the old way."""
    with own_gallery.open() as store:
        retrain(store, RetrainOptions(device="cpu"))
        reds = store.remove(where=Where.equal("label", "red"))
        store.remove(where=Where.equal("label", "blue"))
        store.add(
            [own_gallery.reference(picture("blue", seed), "red") for seed in range(100, 100 + reds)]
        )
        query = own_gallery.embed(picture("blue", 77))[None]
        answers = {mode: _ask(store, query, mode=mode) for mode in Mode}
    assert {mode: answer.label for mode, answer in answers.items()} == dict.fromkeys(Mode, "red")
    for mode in (Mode.LINEAR, Mode.AUTO):
        assert "was trained on other references than carry 'red' now" in answers[mode].notices[0]


def test_exclude_self__leaves_newcomers_to_the_vote(own_gallery: ColourGallery) -> None:
    """The only reference of a new class is no evidence for itself."""
    with own_gallery.open() as store:
        store.remove(where=Where.equal("label", "blue"))
        retrain(store, RetrainOptions(device="cpu"))
        lone = own_gallery.reference(picture("blue", 1), "blue")
        store.add([lone])
        classifier, id_ = Classifier(store), lone.reference.id
        vector = own_gallery.embed(picture("blue", 1))[None]
        (found,) = classifier.classify(vector, QueryOptions(), own_ids=[id_])
        (without,) = classifier.classify(vector, QueryOptions(exclude_self=True), own_ids=[id_])
    assert found.label == "blue"
    assert without.label != "blue"


def test_balance__takes_a_newcomer_for_as_frequent_as_the_others(
    own_gallery: ColourGallery,
) -> None:
    """The gate does not count references, so there is nothing to divide by their number."""
    with own_gallery.open() as store:
        store.remove(where=Where.equal("label", "blue"))
        retrain(store, RetrainOptions(device="cpu"))
        store.add([own_gallery.reference(picture("blue", 1), "blue")])
        query = own_gallery.embed(picture("blue", 77))[None]
        for mode in Mode:
            plain, balanced = (_ask(store, query, mode=mode, balance=b) for b in (0.0, 1.0))
            found, expected = ({s.label: s.score for s in a.scores} for a in (balanced, plain))
            assert found == pytest.approx(expected)
