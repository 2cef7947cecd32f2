"""One temperature that turns scores into probabilities: the softmax, its loss, and the fit.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.

Shapes: M scored references, Q queries, C classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from holotype.references import Codes, Floats

LOG_RANGE = (-7.0, 7.0)
"""Natural logarithm of the temperatures looked through."""

PRECISION = 1e-3
"""Of the logarithm of the temperature."""

FAR_BEHIND = -1e30
"""Stands for minus infinity: of no probability, and finite."""


def softmax(scores: npt.NDArray[np.floating]) -> Floats:
    """(Q, C) probabilities; a row sums to 1."""
    exponentials = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def fit_temperature(logits: npt.NDArray[np.floating], codes: Codes) -> float:
    """The temperature at which out-of-fold predictions have the highest likelihood.

    Args:
        logits: (M, C) scores that did not see their reference; -inf for a label that cannot
            be answered.
        codes: (M,) true classes.

    One wrong answer is added to the M, spread over all of them. The loss is convex in
    1 / temperature, so its slope there has one zero, which is bisected.
    """
    own = np.take_along_axis(logits, codes[:, None], axis=1)
    rivals = logits.copy()
    np.put_along_axis(rivals, codes[:, None], -np.inf, axis=1)
    nearest = rivals.max(axis=1, keepdims=True)
    rivalled = np.isfinite(nearest[:, 0])
    ahead = np.maximum(logits - own, FAR_BEHIND, dtype=np.float32)
    # The wrong answer is the nearest rival: the same probabilities, and another label's lead.
    lead = float(np.mean((own - nearest)[rivalled], dtype=np.float64)) if rivalled.any() else 0.0
    low, high = LOG_RANGE
    while high - low > PRECISION:
        middle = (low + high) / 2
        slopes = _slopes(ahead, np.exp(-middle))
        slope = slopes.mean()
        if rivalled.any():
            slope += (slopes[rivalled].mean() + lead) / len(codes)
        low, high = (middle, high) if slope > 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def _slopes(ahead: npt.NDArray[np.float32], steepness: float) -> Floats:
    """(M,) of the log losses in 1 / temperature: what the probabilities expect to be ahead.

    Args:
        ahead: (M, C) how far each label is ahead of the true one; finite.
        steepness: 1 / temperature.
    """
    scaled = ahead * np.float32(steepness)
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    slopes: Floats = np.einsum("mc,mc->m", scaled, ahead) / scaled.sum(axis=1, dtype=np.float64)
    return slopes


def log_loss(logits: npt.NDArray[np.floating], codes: Codes, temperature: float = 1.0) -> float:
    """Mean negative log probability of the true class, nats."""
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    own = np.take_along_axis(scaled, codes[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - own))
