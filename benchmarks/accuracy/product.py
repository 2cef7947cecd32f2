"""The product on arrays: a real gallery on disk, a real retrain, answers of the classifier.

Shapes: Q queries.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.features import Features
from classify.answering.answers import Answer
from classify.answering.classifier import Classifier
from classify.answering.modes import MetricName, Mode, Vote
from classify.answering.options import QueryOptions
from head.job import retrain
from head.options import RetrainOptions
from holotype import RetrievalClassifier
from holotype.references import Codes, EmbeddedReference, Reference, reference_id
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore

COVERAGE = 0.95
"""Asked of label sets."""

PRECISION = 0.95
"""Asked of answers that are not withheld."""

_PROMISED = QueryOptions(coverage=COVERAGE, abstain_at=PRECISION, unknown_at=1)
"""No query is unknown: sets and thresholds are measured by themselves, and all queries are known
ones; `benchmarks.accuracy.states` measures the states."""

WAYS: dict[str, QueryOptions] = {
    "k-NN, plain cosine": QueryOptions(metric=MetricName.COSINE),
    "k-NN, learned metric, weighted vote": QueryOptions(vote=Vote.WEIGHTED),
    "k-NN, learned metric": _PROMISED,
    "head": replace(_PROMISED, mode=Mode.LINEAR),
    "auto": replace(_PROMISED, mode=Mode.AUTO),
}
"""What is asked of the classifier; all options are the defaults but those named."""

ESTIMATOR = "estimator, auto"

CALIBRATED = tuple(name for name, options in WAYS.items() if options.coverage)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Q answers as arrays."""

    right: npt.NDArray[np.bool_]
    """(Q,) whether the most probable label is the true one."""
    label: npt.NDArray[np.str_]
    """(Q,) the most probable one."""
    confidence: npt.NDArray[np.float64]
    """(Q,) its score."""
    abstained: npt.NDArray[np.bool_]
    """(Q,) whether the answer was unsure."""
    covered: npt.NDArray[np.bool_]
    """(Q,) whether the true label is in the label set."""
    set_size: npt.NDArray[np.int64]
    """(Q,) labels in it; 0 where none was asked for."""
    strangeness: npt.NDArray[np.float64]
    """(Q,) novelty score."""


@contextmanager
def trained_gallery(features: Features, references: Codes, *, seed: int) -> Iterator[VectorStore]:
    """A gallery of these rows, with an active head."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), gallery="benchmark")
        with open_store(
            settings, fingerprint=features.fingerprint, command="benchmark", create=True
        ) as store:
            store.add([reference_of(features, row) for row in references.tolist()])
            retrain(store, RetrainOptions(seed=seed))
            yield store


def ask(store: VectorStore, features: Features, queries: Codes, options: QueryOptions) -> Told:
    """What the classifier tells about these rows."""
    answers = Classifier(store).classify(features.unit[queries], options)
    truth = features.labels[queries].tolist()
    sets = [answer.label_set or () for answer in answers]
    return Told(
        right=np.array([a.best == label for a, label in zip(answers, truth, strict=True)]),
        label=np.array([answer.best for answer in answers]),
        confidence=np.array([answer.score for answer in answers]),
        abstained=np.array([answer.state == "unsure" for answer in answers]),
        covered=np.array([label in s for s, label in zip(sets, truth, strict=True)]),
        set_size=np.array([len(s) for s in sets]),
        strangeness=np.array([_strangeness(answer) for answer in answers]),
    )


def estimated(
    features: Features, references: Codes, queries: Codes, *, seed: int
) -> dict[str, npt.NDArray[np.generic]]:
    """What the scikit-learn estimator says of these rows: `label` and `confidence`, (Q,) each.

    References come to it as a gallery exports them: in id order, because folds depend on it, and
    the same bytes once.
    """
    of = {reference_id(str(features.digests[row])): row for row in references.tolist()}
    rows = [of[id_] for id_ in sorted(of)]
    estimator = RetrievalClassifier(random_state=seed).fit(
        features.raw[rows], features.labels[rows]
    )
    return {
        "label": estimator.predict(features.raw[queries]),
        "confidence": estimator.predict_proba(features.raw[queries]).max(axis=1),
    }


def _strangeness(answer: Answer) -> float:
    return 0.0 if answer.novelty is None else answer.novelty.score


def reference_of(features: Features, row: int) -> EmbeddedReference:
    """A row as the gallery stores it."""
    digest = str(features.digests[row])
    return EmbeddedReference(
        reference=Reference(
            id=reference_id(digest),
            label=str(features.labels[row]),
            sha256=digest,
            source=f"{features.name}/{row}",
            width=1,
            height=1,
            added_at="2026-01-01T00:00:00+00:00",
        ),
        vector=features.unit[row],
    )
