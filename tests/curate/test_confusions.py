"""How labels are confused, and what a label is worth then."""

from __future__ import annotations

import numpy as np
import pytest

from curate.confusions import (
    EXPECTED_RATE,
    EXPECTED_WEIGHT,
    HIGHEST_RATE,
    PRIOR,
    ROUNDS,
    SHARPER,
    Confusions,
)
from curate.suspects import doubts

Arrays = tuple[np.ndarray, np.ndarray]


def answers(n: int = 300, n_classes: int = 5, *, seed: int = 0) -> Arrays:
    """Doubtful probabilities (M, C), and labels drawn from them (M,)."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_classes, 0.2), size=n).astype(np.float32)
    return p, np.array([rng.choice(n_classes, p=row / row.sum()) for row in p.astype(float)])


def by_hand(p: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Rate, p(label | class) and p(class | picture, label), reference by reference."""
    n, n_classes = p.shape
    rate = EXPECTED_RATE
    wrong = np.full((n_classes, n_classes), 1 / (n_classes - 1))
    posterior = np.empty((n, n_classes))
    given = np.empty((n_classes, n_classes))
    for turn in range(ROUNDS + 1):
        for true in range(n_classes):
            for label in range(n_classes):
                given[true, label] = 1 - rate if true == label else rate * wrong[true, label]
        for i in range(n):
            likely = [float(p[i, c]) ** SHARPER * given[c, labels[i]] for c in range(n_classes)]
            posterior[i] = np.array(likely) / sum(likely)
        if turn == ROUNDS:
            break
        moved = np.zeros((n_classes, n_classes))
        for i in range(n):
            for c in range(n_classes):
                if c != labels[i]:
                    moved[c, labels[i]] += posterior[i, c]
        rate = (moved.sum() + EXPECTED_RATE * EXPECTED_WEIGHT) / (n + EXPECTED_WEIGHT)
        rate = min(rate, HIGHEST_RATE)
        for c in range(n_classes):
            wrong[c] = (moved[c] + PRIOR / (n_classes - 1)) / (moved[c].sum() + PRIOR)
    return rate, given, posterior


def test_doubts__are_those_of_bayes_rule_by_hand() -> None:
    """Rate, confusions, probability of an error and proposal agree with loops over references."""
    p, labels = answers()
    rate, given, posterior = by_hand(p, labels)
    confusions = Confusions.estimated(p, labels)
    assert confusions.rate == pytest.approx(rate, rel=1e-4)
    np.testing.assert_allclose(confusions.given, given, rtol=1e-3, atol=1e-6)
    found = doubts(p, labels)
    own = posterior[np.arange(len(labels)), labels]
    np.testing.assert_allclose(found.p_wrong, 1 - own, atol=1e-4)
    posterior[np.arange(len(labels)), labels] = -1
    np.testing.assert_array_equal(found.proposed, posterior.argmax(axis=1))


def test_confusions__find_the_class_that_errors_go_to() -> None:
    """Sure answers, and a fifth of one class under the label of another."""
    labels = np.repeat(np.arange(4), 50)
    p = np.full((200, 4), 0.01, np.float32)
    p[np.arange(200), labels] = 0.97
    labels = labels.copy()
    labels[:10] = 2
    found = Confusions.estimated(p, labels)
    assert found.rate == pytest.approx(0.05, abs=0.01)
    assert found.given[0, 2] > 5 * found.given[0, 1]
    assert found.given[1, 2] == pytest.approx(found.given[1, 3], rel=0.1)
    np.testing.assert_allclose(found.given.sum(axis=1), 1)
