"""The learning curve: honest draws, nested sizes, intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest

from classify.answering.classifier import Classifier
from classify.answering.modes import MetricName, Mode
from classify.answering.options import QueryOptions
from classify.evaluation.learning import Classify, LearningCurve, learning_curve
from classify.evaluation.methods import compared
from head.data.training_set import export_training_set
from head.fit.lda import discriminant_rows
from head.job import retrain
from head.options import RetrainOptions
from holotype.references import Codes, Vectors
from holotype.store.port import VectorStore
from tests.references import Pictures

LABELS = [f"class {c}" for c in range(4)]
COMPARED = partial(
    compared,
    cosine=QueryOptions(k=5).voting(MetricName.COSINE),
    learned=QueryOptions().voting(MetricName.LEARNED),
)


def _clusters(
    per_class: int, *, spread: float, seed: int = 0, dimension: int = 24
) -> tuple[Vectors, Codes]:
    """Four classes around four directions, most of their spread along one common direction."""
    fixed, rng = np.random.default_rng(99), np.random.default_rng(seed)
    centres, common = 0.4 * fixed.normal(size=(4, dimension)), fixed.normal(size=dimension)
    classes = np.repeat(np.arange(4), per_class)
    rows = (
        centres[classes]
        + spread * rng.normal(size=(len(classes), 1)) * common
        + 0.4 * rng.normal(size=(len(classes), dimension))
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), classes


def _curve(
    vectors: Vectors, classes: Codes, groups: Codes | None = None, *, draws: int = 4
) -> LearningCurve:
    curve = learning_curve(
        vectors,
        classes,
        np.arange(len(classes)) if groups is None else groups,
        LABELS,
        train=COMPARED,
        draws=draws,
    )
    assert curve is not None
    return curve


def test_curve__rises_and_the_metric_helps() -> None:
    """More references answer better, and whitening undoes a spread that all classes share."""
    curve = _curve(*_clusters(40, spread=2.0))
    cosine, learned, lda = curve.points.values()
    assert [p.per_class for p in cosine] == [1, 2, 4, 8, 16]
    assert cosine[-1].accuracy > cosine[0].accuracy + 0.1
    assert learned[2].accuracy > cosine[2].accuracy + 0.1
    assert lda[2].accuracy > cosine[2].accuracy + 0.1
    assert all(p.low <= p.accuracy <= p.high for p in cosine)
    assert curve.classes == 4


@pytest.mark.parametrize("draws", [2, 4, 12])
def test_curve__interval_is_student_s(draws: int) -> None:
    """The mean over draws has the interval that scipy gives it, however many draws there were."""
    from scipy import stats

    vectors, classes = _clusters(20, spread=1.0)
    point = _curve(vectors, classes, draws=draws).points["k-NN, cosine"][1]
    assert len(point.draws) == draws
    assert point.accuracy == pytest.approx(np.mean(point.draws))
    low, high = stats.t.interval(0.95, draws - 1, loc=point.accuracy, scale=stats.sem(point.draws))
    assert (point.low, point.high) == pytest.approx((max(low, 0), min(high, 1)))


def test_curve__groups_are_never_on_both_sides() -> None:
    """No draw classifies a reference whose group it was trained on, and none counts twice."""
    vectors, classes = _clusters(24, spread=1.0)
    groups = np.arange(len(classes)) // 3
    group_of = {row.tobytes(): group for row, group in zip(vectors, groups, strict=True)}

    def spying(trained: Vectors, own: Codes) -> Mapping[str, Classify]:
        known = [group_of[row.tobytes()] for row in trained]
        assert len(set(known)) == len(known)

        def classify(queries: Vectors) -> Codes:
            assert not {group_of[row.tobytes()] for row in queries} & set(known)
            return np.zeros(len(queries), dtype=np.intp)

        return {"spy": classify}

    curve = learning_curve(vectors, classes, groups, LABELS, train=spying, draws=3)
    assert curve is not None
    assert curve.points["spy"][0].accuracy == pytest.approx(0.25)


def test_curve__small_classes_are_left_out_and_named() -> None:
    """A class that cannot supply the largest size takes part at no size."""
    vectors, classes = _clusters(20, spread=1.0)
    kept = np.concatenate([np.flatnonzero(classes != 3), np.flatnonzero(classes == 3)[:3]])
    curve = _curve(vectors[kept], classes[kept])
    assert curve.classes == 3
    assert curve.left_out == ["class 3"]


def test_curve__too_little_to_draw_from() -> None:
    """With one reference per class there is nothing to hold back."""
    vectors, classes = _clusters(1, spread=1.0)
    assert learning_curve(vectors, classes, np.arange(4), LABELS, train=COMPARED, draws=2) is None


@pytest.mark.parametrize("per_class", [1, 2, 20])
def test_compared__answer_as_the_product_does(
    open_store: Callable[..., VectorStore], pictures: Pictures, per_class: int
) -> None:
    """The curve's classifiers and a query after a retrain say the same, of one reference too."""
    vectors, classes = _clusters(per_class, spread=0.5, dimension=pictures.dimension)
    store = open_store(gallery="clusters")
    store.add(
        [
            pictures.embedded(f"{row}", LABELS[c], vector=vector, group=f"{row}")
            for row, (vector, c) in enumerate(zip(vectors, classes, strict=True))
        ]
    )
    references, _ = export_training_set(store)
    queries, _ = _clusters(20, spread=0.5, seed=1, dimension=pictures.dimension)
    curve = {
        name: [LABELS[c] for c in classify(queries)]
        for name, classify in COMPARED(references.vectors, references.codes).items()
    }
    retrain(store, RetrainOptions(device="cpu"))
    classifier = Classifier(store)

    def answered(options: QueryOptions) -> list[str | None]:
        return [answer.label for answer in classifier.classify(queries, options)]

    assert curve["k-NN, cosine"] == answered(QueryOptions(metric=MetricName.COSINE, k=5))
    if per_class > 1:
        assert curve["k-NN, learned metric"] == answered(QueryOptions())
    head = classifier.snapshot().head
    assert head is not None
    if head.metric is None:
        assert curve["linear (LDA)"] == answered(QueryOptions(mode=Mode.LINEAR))
        return
    assert head.class_means is not None
    lda = discriminant_rows(
        head.metric.matrix.astype(np.float64),
        means=head.class_means.means,
        counts=head.class_means.counts,
        reference=head.metric.centre,
    )
    logits = lda.logits(head.features.of(queries))
    assert curve["linear (LDA)"] == [head.labels[c] for c in logits.argmax(axis=1)]
