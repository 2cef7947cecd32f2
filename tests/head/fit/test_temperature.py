"""The temperature that turns scores into probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from head.fit.temperature import fit_temperature, log_loss, softmax


def drawn(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 6) logits, and labels drawn from their softmax: perfectly calibrated."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 6))
    chosen = (softmax(logits).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits, chosen


@pytest.mark.parametrize("scale", [0.02, 1.0, 30.0])
def test_temperature__undoes_a_scale(scale: float) -> None:
    """Calibrated logits times a factor get that factor as their temperature."""
    logits, codes = drawn(5000)
    assert fit_temperature(scale * logits, codes) == pytest.approx(scale, rel=0.05)


def test_temperature__has_the_least_log_loss() -> None:
    """A temperature a little higher or lower is worse."""
    logits, codes = drawn(500)
    best = fit_temperature(logits, codes)
    least = log_loss(logits, codes, best)
    assert least < log_loss(logits, codes, best * 1.1)
    assert least < log_loss(logits, codes, best / 1.1)


def test_log_loss__by_hand() -> None:
    """Even odds cost log 2, whatever the level of the logits."""
    assert log_loss(np.array([[7.0, 7.0]]), np.array([1])) == pytest.approx(np.log(2))


def test_log_loss__agrees_with_scikit_learn() -> None:
    """Of the probabilities at any temperature, also where a class is never the truth."""
    logits, codes = drawn(200)
    codes[codes == 3] = 0
    for temperature in (0.5, 1.0, 4.0):
        probabilities = softmax(logits / temperature)
        expected = sklearn_log_loss(codes, probabilities, labels=range(6))
        assert log_loss(logits, codes, temperature) == pytest.approx(expected)


def test_temperature__of_answers_that_are_all_right_is_no_end_of_the_range() -> None:
    """With one wrong answer more than was seen, the mean score is about what they support."""
    scores = 5.0 * np.eye(4)[np.arange(20) % 4]
    temperature = fit_temperature(scores, np.arange(20) % 4)
    probabilities = softmax(scores / temperature)
    assert probabilities.max(axis=1).mean() == pytest.approx(21 / 22, abs=0.01)


def test_temperature__one_label_alone_has_no_rival() -> None:
    """With nothing to be mistaken for, no wrong answer can be added."""
    assert np.isfinite(fit_temperature(np.zeros((5, 1)), np.zeros(5, dtype=np.int64)))
