"""Scores into probabilities: one temperature, fitted on out-of-fold predictions.

Temperature scaling: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural
Networks, ICML 2017. It never changes which label comes first.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

LOG_RANGE = (-7.0, 7.0)
"""Natural logarithm of the temperatures looked through."""

GOLDEN = (5**0.5 - 1) / 2
PRECISION = 1e-3
"""Of the logarithm of the temperature."""

N_BINS = 15
"""Of the expected calibration error, as in Guo et al."""


def fit_temperature(logits: npt.NDArray[np.floating], codes: Codes) -> float:
    """The temperature at which out-of-fold predictions have the highest likelihood.

    Args:
        logits: (M, C) scores that did not see their reference; -inf for a label that cannot
            be answered.
        codes: (M,) true classes.

    Golden-section search: the loss has one minimum in 1 / temperature.
    """
    low, high = LOG_RANGE
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = (log_loss(logits, codes, float(np.exp(x))) for x in (left, right))
    while high - low > PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = log_loss(logits, codes, float(np.exp(left)))
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = log_loss(logits, codes, float(np.exp(right)))
    return float(np.exp((low + high) / 2))


def log_loss(logits: npt.NDArray[np.floating], codes: Codes, temperature: float = 1.0) -> float:
    """Mean negative log probability of the true class, nats."""
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    own = np.take_along_axis(scaled, codes[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - own))


def calibration_error(confidence: Floats, correct: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error over equally wide bins of confidence.

    Args:
        confidence: (M,) probability of the answer.
        correct: (M,) whether it was right.

    Returns:
        In [0, 1]: the mean distance between confidence and accuracy, over answers.
    """
    if not len(confidence):
        return 0.0
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gap = np.bincount(bins, confidence - correct, minlength=N_BINS)
    return float(np.abs(gap).sum() / len(confidence))
