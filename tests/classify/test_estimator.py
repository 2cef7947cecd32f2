"""The scikit-learn estimator: its checks, and the same answers as a gallery gives."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import classify.estimator
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from head.job import retrain
from holotype import RetrievalClassifier
from holotype.store.port import VectorStore
from tests.head.conftest import Clouds
from tests.references import Pictures

MODES = [str(mode) for mode in Mode]
SIZES = {"ant": 30, "bee": 25, "wasp": 28, "fly": 4}
"""Flies are few where the others are many: a head answers them from their mean."""

Open = Callable[..., VectorStore]


@parametrize_with_checks([RetrievalClassifier()])
def test_scikit_learn__is_satisfied(estimator: Any, check: Any) -> None:
    """Every check that scikit-learn has for classifiers passes, with no exception asked for."""
    check(estimator)


@pytest.fixture
def gallery(open_store: Open, pictures: Pictures) -> VectorStore:
    """A gallery of four classes with a head."""
    store = open_store(create=True)
    store.add(Clouds(pictures.dimension, spread=0.35).references(SIZES, pictures))
    retrain(store)
    return store


def _exported(store: VectorStore) -> tuple[np.ndarray, list[str]]:
    batches = list(store.export())
    labels = [label for batch in batches for label in batch.labels]
    return np.concatenate([batch.vectors for batch in batches]), labels


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("asked", [{}, {"balance": 1.0}, {"k": 7}, {"k": 7, "balance": 0.5}])
def test_answers__are_those_of_a_gallery(
    gallery: VectorStore, mode: str, asked: dict[str, Any]
) -> None:
    """The same references give the same labels and the same scores, with or without a store."""
    X, y = _exported(gallery)
    clouds = Clouds(X.shape[1], spread=0.5)
    queries = np.concatenate([clouds.of(label, 12, first=100) for label in SIZES])
    estimator = RetrievalClassifier(mode, **asked).fit(X, y)

    options = QueryOptions(mode=Mode(mode), top=len(SIZES), **asked)
    answers = Classifier(gallery).classify(queries, options)

    assert estimator.predict(queries).tolist() == [answer.best for answer in answers]
    column = {label: c for c, label in enumerate(estimator.classes_)}
    for row, answer in zip(estimator.predict_proba(queries), answers, strict=True):
        for one in answer.scores:
            assert row[column[one.label]] == pytest.approx(one.score, abs=5e-4)


def test_kneighbors__is_the_evidence_of_an_answer(gallery: VectorStore) -> None:
    """Neighbours, their order and their distances are those that a gallery shows."""
    X, y = _exported(gallery)
    ids = [id_ for batch in gallery.export() for id_ in batch.ids]
    query = Clouds(X.shape[1]).of("bee", 1, first=100)
    (answer,) = Classifier(gallery).classify(query, QueryOptions(evidence=9))
    distances, rows = RetrievalClassifier("knn").fit(X, y).kneighbors(query, 9)
    assert [ids[row] for row in rows[0]] == [one.id for one in answer.neighbours]
    learned = [one.learned_similarity for one in answer.neighbours]
    assert (1 - distances[0]).tolist() == pytest.approx(learned, abs=1e-5)


def test_kneighbors__of_the_references_leaves_each_out() -> None:
    """Without queries, nobody is their own neighbour, and all others can be had."""
    clouds = Clouds(8)
    X = np.concatenate([clouds.of("ant", 5), clouds.of("bee", 5)])
    estimator = RetrievalClassifier().fit(X, ["ant"] * 5 + ["bee"] * 5)
    distances, rows = estimator.kneighbors(n_neighbors=20)
    assert [sorted([i, *row]) for i, row in enumerate(rows.tolist())] == [list(range(10))] * 10
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (estimator.kneighbors(n_neighbors=3, return_distance=False) == rows[:, :3]).all()
    with pytest.raises(ValueError, match="n_neighbors = 0: at least one"):
        estimator.kneighbors(X, n_neighbors=0)


@pytest.mark.parametrize(
    "classes", [[3, 10], [False, True], ["10", "9"], np.array(["b", "a"], dtype=object)]
)
@pytest.mark.parametrize("mode", MODES)
def test_labels__come_back_as_they_were_given(mode: str, classes: Any) -> None:
    """Numbers, booleans and text are answered as they are, and `classes_` is sorted."""
    clouds = Clouds(8)
    X = np.concatenate([clouds.of("ant", 6), clouds.of("bee", 6)])
    y = np.repeat(np.asarray(classes), 6)
    estimator = RetrievalClassifier(mode).fit(X, y)
    assert estimator.classes_.tolist() == sorted(y[[0, 6]].tolist())
    assert estimator.classes_.dtype == y.dtype
    assert estimator.predict(X).tolist() == y.tolist()


@pytest.mark.parametrize("mode", MODES)
def test_few__one_reference_a_class_is_enough(mode: str) -> None:
    """Two classes of one reference each are told apart."""
    estimator = RetrievalClassifier(mode).fit([[1, 0.1, 0], [0, 0.1, 1]], ["ant", "bee"])
    assert estimator.predict([[5, 0, 1], [1, 0, 5]]).tolist() == ["ant", "bee"]
    assert estimator.predict_proba([[5, 0, 1]]).sum() == pytest.approx(1)


@pytest.mark.parametrize("mode", MODES)
def test_few__a_single_class_is_always_the_answer(mode: str) -> None:
    """There is nothing to train; k-NN answers alone, whatever the mode."""
    estimator = RetrievalClassifier(mode).fit([[1, 0.1], [0, 0.1]], ["ant", "ant"])
    assert estimator.head_ is None
    assert estimator.predict([[5, 0]]).tolist() == ["ant"]
    assert estimator.predict_proba([[5, 0]]).tolist() == [[1]]


@pytest.mark.parametrize("mode", MODES)
def test_rows__count_by_direction_alone(mode: str) -> None:
    """A row's length says nothing, at any size that a float has; zeros have no direction."""
    clouds = Clouds(8)
    X = np.concatenate([clouds.of("ant", 8), clouds.of("bee", 8)]).astype(np.float64)
    y, lengths = ["ant"] * 8 + ["bee"] * 8, np.resize([1e-200, 1.0, 1e200], 16)[:, None]
    estimator, queries = RetrievalClassifier(mode).fit(X, y), clouds.of("bee", 4, first=50)
    longer = RetrievalClassifier(mode).fit(X * lengths, y)
    expected = estimator.predict_proba(queries)
    np.testing.assert_allclose(longer.predict_proba(7 * queries), expected, atol=1e-5)
    assert np.isfinite(estimator.predict_proba(np.zeros((1, 8)))).all()


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"mode": "nearest"}, "mode = 'nearest': it is one of knn, linear, auto"),
        ({"k": 0}, "k = 0: at least one neighbour has to vote"),
        ({"k": 2.5}, "k = 2.5: it is a whole number"),
        ({"balance": 2}, "balance = 2: it lies between 0 and 1"),
    ],
)
def test_parameters__beyond_their_bounds_are_refused(
    parameters: dict[str, Any], complaint: str
) -> None:
    """`fit` says what is wrong."""
    with pytest.raises(ValueError, match=complaint):
        RetrievalClassifier(**parameters).fit([[1, 0], [0, 1]], ["ant", "bee"])


def _bursts(n_groups: int) -> tuple[np.ndarray, np.ndarray, list[str | None]]:
    """Bursts of five, alike but no near-duplicates, with labels that nothing in them tells."""
    clouds = Clouds(16, spread=0.12)
    X = np.concatenate([clouds.of(f"burst {i}", 5) for i in range(n_groups)])
    y = np.repeat(np.random.default_rng(0).permutation(np.arange(n_groups) % 2), 5)
    return X, y, [f"burst {i}" for i in range(n_groups) for _ in range(5)]


def test_groups__make_scores_honest() -> None:
    """Where only bursts tell the classes, who knows of the bursts is less sure of a new one."""
    X, y, groups = _bursts(24)
    new = np.concatenate([Clouds(16).of(f"new {i}", 1) for i in range(20)])
    told, untold = RetrievalClassifier().fit(X, y, groups=groups), RetrievalClassifier().fit(X, y)
    sure, surer = (one.predict_proba(new).max(axis=1).mean() for one in (told, untold))
    assert sure < 0.7 < surer


def test_groups__that_are_missing_stand_alone() -> None:
    """None and NaN, as tables have them, are no group that rows share."""
    X, y, _ = _bursts(12)
    alone = RetrievalClassifier().fit(X, y).predict_proba(X)
    for missing in (None, float("nan")):
        fitted = RetrievalClassifier().fit(X, y, groups=[missing] * len(X))
        np.testing.assert_array_equal(fitted.predict_proba(X), alone)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RetrievalClassifier().fit(X, y, groups=["one"])


def test_groups__reach_fit_through_cross_validation() -> None:
    """Splitter and estimator both get them: by metadata routing, and without it by `params`."""
    X, y, groups = _bursts(12)
    codes = np.unique(groups, return_inverse=True)[1]
    seen = []

    class Noting(RetrievalClassifier):
        def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
            seen.append(None if groups is None else set(groups))
            return super().fit(X, y, groups)

    with sklearn.config_context(enable_metadata_routing=True):
        estimator = Noting().set_fit_request(groups=True)
        cross_val_score(estimator, X, y, cv=GroupKFold(3), params={"groups": codes})
    assert [len(one) for one in seen] == [8, 8, 8]
    scores = cross_val_score(RetrievalClassifier(), X, y, cv=GroupKFold(3), groups=codes)
    assert scores.shape == (3,)


def test_pipeline__is_searched_and_validated() -> None:
    """A grid over its parameters, in a pipeline, cross-validated."""
    clouds = Clouds(8)
    X = 100 + np.concatenate([clouds.of(label, 15) for label in ("ant", "bee", "wasp")])
    y = np.repeat(["ant", "bee", "wasp"], 15)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), RetrievalClassifier()),
        {"retrievalclassifier__mode": MODES, "retrievalclassifier__k": [None, 5]},
        cv=3,
    )
    assert search.fit(X, y).best_score_ > 0.9
    assert (cross_val_predict(search.best_estimator_, X, y, cv=3) == y).mean() > 0.9


def test_docstring__example_is_true() -> None:
    """What the class shows of itself comes out."""
    found = doctest.testmod(classify.estimator)
    assert found.attempted > 3
    assert found.failed == 0


def test_import__scikit_learn_is_loaded_when_it_is_asked_for() -> None:
    """Neither the library nor the commands nor the service pay a second for it."""
    code = (
        "import sys, holotype, ingest.cli, head.cli, classify.cli, classify.service.app\n"
        "before = 'sklearn' in sys.modules\n"
        "holotype.RetrievalClassifier\n"
        "print(before, 'sklearn' in sys.modules, 'torch' in sys.modules)\n"
        "print('RetrievalClassifier' in dir(holotype), hasattr(holotype, 'nothing'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False True False\nTrue False\n", "")
