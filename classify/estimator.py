"""`RetrievalClassifier`: a gallery's answers as a scikit-learn estimator, in memory, no store.

The functions are the product's: `head.train` learns from the references, `holotype.knn` finds
neighbours and lets them vote, `classify.answering.scoring` makes the answer of both.

Shapes: N references, Q queries, D dimensions, C classes, K neighbours.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from classify.answering.modes import MetricName, Mode
from classify.answering.options import QueryOptions
from classify.answering.scoring import Scoring
from holotype.errors import UsageError
from holotype.knn import Knn
from holotype.votes import Tally

if TYPE_CHECKING:
    from typing import Self

    from classify.answering.class_scores import ClassScores
    from head.versions.head import Head
    from holotype.references import Codes, Vectors

FLOATS = (np.float64, np.float32)
"""What a row is normalised in: as it comes, so that float32 is not copied to twice its size."""


class RetrievalClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # no types there
    """k-NN by a learned metric, a linear head, or both, as `classify query` answers.

    For vectors of an encoder. They are compared by direction alone: every row is scaled to length
    1, as a gallery stores it, so features of different units want scaling before (in a `Pipeline`,
    say). A row of zeros has no direction and a cosine of 0 with every other.

    `fit` trains a head as `retrain` does: by cross-validation within the references, whatever
    the mode, because the metric and what makes scores probabilities come from it. Near-duplicates
    and rows of one group never test each other there. Where that leaves nothing to learn from,
    less is learned: with one reference a class there is no metric and no calibration (neighbours
    vote by cosine, and scores are shares of the vote), and where there is but one class there is
    no head, whatever the mode: its neighbours alone answer.

    Args:
        mode: "knn" (the nearest references vote), "linear" (the head), or "auto" (both, pooled).
        k: neighbours that vote; None: as many as a query takes (100 by a learned metric, 20 by
            cosine). With a number of neighbours that nothing was calibrated for, scores of "knn"
            and "auto" are no probabilities but shares.
        balance: in [0, 1]. 0: queries come from classes as often as references do; 1: from all
            equally.
        random_state: of the cross-validation's folds. The same rows and number give the same
            answers.

    Attributes:
        classes_: (C,) the classes, sorted.
        n_features_in_: D.
        feature_names_in_: (D,) names of the columns, where X had some.
        head_: what was trained, with its report (`head_.record.report`); None for one class.

    Example:
        >>> import numpy as np
        >>> from holotype import RetrievalClassifier
        >>> X = np.repeat([[1.0, 0.1], [0.1, 1.0]], 5, axis=0)
        >>> RetrievalClassifier().fit(X, ["owl"] * 5 + ["wren"] * 5).predict([[2.0, 0.0]]).tolist()
        ['owl']
    """

    def __init__(
        self,
        mode: str = "auto",
        *,
        k: int | None = None,
        balance: float = 0.0,
        random_state: Any = 0,
    ) -> None:
        self.mode = mode
        self.k = k
        self.balance = balance
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Sequence[Hashable] | None = None) -> Self:
        """Take these references, and train on them.

        Args:
            X: (N, D) numbers; their float32 directions are kept.
            y: (N,) labels: text, whole numbers or booleans.
            groups: (N,) references that are not independent have equal values; those with None or
                NaN stand alone. In scikit-learn's terms it is metadata:
                `set_fit_request(groups=True)`.

        Raises:
            ValueError: X is not (N, D) finite numbers; y is not labels, or continuous; a parameter
                lies beyond its bounds.
        """
        self._options = _options(self.mode, self.k, self.balance)
        X, y = validate_data(self, X, y, dtype=FLOATS)
        check_classification_targets(y)
        vectors = _unit_rows(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if groups is not None:
            check_consistent_length(vectors, groups)
        self.head_ = _train(vectors, codes, groups, self._labels, seed=_seed(self.random_state))
        self._counts = dict(zip(self._labels, np.bincount(codes).tolist(), strict=True))
        metric = self.head_.metric if self.head_ else None
        voting, self._calibration = self._scoring(vectors[:0]).voting(
            MetricName.LEARNED if metric else MetricName.COSINE
        )
        self._references = Knn(
            vectors=vectors,
            classes=codes,
            n_classes=len(self.classes_),
            voting=voting,
            placed=self._placed(vectors),
            groups=np.arange(len(vectors)),
        )
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """(Q,) the most probable class of each of (Q, D) rows.

        Raises:
            ValueError: X is not (Q, D) finite numbers.
            sklearn.exceptions.NotFittedError: `fit` was not called.
        """
        best = self._class_scores(X).ranking[:, 0]
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """(Q, C) the score of each class for (Q, D) rows; a row sums to 1.

        They are probabilities where there was enough to calibrate them by, shares of the vote
        elsewhere. float32, as precise as the vectors that they come from.

        Raises:
            ValueError, sklearn.exceptions.NotFittedError: see `predict`.
        """
        return self._class_scores(X).scores.astype(np.float32)

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[npt.NDArray[np.float32], Codes] | Codes:
        """The references that vote on each query, nearest first: the evidence for an answer.

        Args:
            X: (Q, D); None: the references themselves, none of which is its own neighbour.
            n_neighbors: K; None: all that vote. Fewer where there are fewer references.
            return_distance: whether distances come, too.

        Returns:
            (Q, K) cosine distances, 0 to 2, in the space of the learned metric where there is one,
            and (Q, K) rows of the X that was fitted; the rows alone without `return_distance`.

        Raises:
            ValueError: `n_neighbors` is below 1; see `predict`.
            sklearn.exceptions.NotFittedError: `fit` was not called.
        """
        check_is_fitted(self)
        known = self._references
        vectors = known.vectors if X is None else self._queries(X)
        k = known.voting.k if n_neighbors is None else n_neighbors
        if k < 1:
            raise ValueError(f"n_neighbors = {k}: at least one neighbour has to be asked for")
        found = known.neighbours(
            vectors,
            min(k, len(known.vectors) - (X is None)),
            placed=self._placed(vectors),
            groups=known.groups if X is None else None,
        )
        return (1 - found.similarities, found.rows) if return_distance else found.rows

    @property
    def _labels(self) -> tuple[str, ...]:
        """The classes as the head names them."""
        return tuple(map(str, self.classes_.tolist()))

    def _class_scores(self, X: Any) -> ClassScores:
        check_is_fitted(self)
        vectors, labels = self._queries(X), self._labels
        scoring = self._scoring(vectors)
        if self._options.mode is Mode.LINEAR and self.head_ is not None:
            return scoring.linear(labels)
        tally = Tally.joined(self._references.tallies(vectors, placed=self._placed(vectors)))
        voted = scoring.of_votes(tally, labels, self._calibration)
        return scoring.auto(voted)[0] if self._options.mode is Mode.AUTO else scoring.knn(voted)

    def _scoring(self, vectors: Vectors) -> Scoring:
        return Scoring(vectors=vectors, options=self._options, counts=self._counts, head=self.head_)

    def _queries(self, X: Any) -> Vectors:
        return _unit_rows(validate_data(self, X, dtype=FLOATS, reset=False))

    def _placed(self, vectors: Vectors) -> Vectors | None:
        metric = self.head_.metric if self.head_ else None
        return metric.whiten(vectors) if metric else None


def _options(mode: str, k: int | None, balance: float) -> QueryOptions:
    if mode not in tuple(Mode):
        raise ValueError(f"mode = {mode!r}: it is one of {', '.join(Mode)}")
    if k is not None and not isinstance(k, Integral):
        raise ValueError(f"k = {k!r}: it is a whole number of neighbours, or None")
    try:
        return QueryOptions(mode=Mode(mode), k=k, balance=balance)
    except UsageError as error:
        raise ValueError(str(error)) from error


def _unit_rows(X: npt.NDArray[np.floating]) -> Vectors:
    """(N, D) float32 of length 1; zeros stay zeros."""
    largest = np.abs(X).max(axis=1, keepdims=True)
    rows = X / np.where(largest > 0, largest, 1)  # whose squares neither vanish nor overflow
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


def _train(
    vectors: Vectors,
    codes: Codes,
    groups: Iterable[Hashable] | None,
    labels: tuple[str, ...],
    *,
    seed: int,
) -> Head | None:
    """What a retrain would make active; None for one class, of which there is nothing to learn."""
    if len(labels) < 2:
        return None
    from head.data.training_set import TrainingSet, group_numbers
    from head.fit.options import TrainOptions
    from head.train import train  # brings torch
    from head.versions.class_means import extend

    n = len(vectors)
    # What is missing in a table is None or NaN, which is not equal to itself.
    named = [g if g == g else None for g in groups] if groups is not None else [None] * n
    training = TrainingSet(
        labels=labels,
        vectors=vectors,
        codes=codes,
        groups=np.unique(group_numbers(named, {}), return_inverse=True)[1],
        marks=np.random.default_rng(seed).permutation(n),  # in the place of ids, which are hashes
    )
    counts = dict(zip(labels, training.counts.tolist(), strict=True))
    return extend(train(training, options=TrainOptions(seed=seed)), counts, [])
