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

    One wrong answer is added to the M, spread over all of them. The loss has one minimum in
    1 / temperature.
    """
    from scipy.optimize import minimize_scalar

    rivals = logits.copy()
    np.put_along_axis(rivals, codes[:, None], -np.inf, axis=1)
    nearest = rivals.argmax(axis=1)
    rivalled = np.isfinite(rivals.max(axis=1))

    def loss(logarithm: float) -> float:
        temperature = float(np.exp(logarithm))
        seen = log_loss(logits, codes, temperature)
        if not rivalled.any():
            return seen
        return seen + log_loss(logits[rivalled], nearest[rivalled], temperature) / len(codes)

    found = minimize_scalar(loss, bounds=LOG_RANGE, method="bounded", options={"xatol": PRECISION})
    return float(np.exp(found.x))


def log_loss(logits: npt.NDArray[np.floating], codes: Codes, temperature: float = 1.0) -> float:
    """Mean negative log probability of the true class, nats."""
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    own = np.take_along_axis(scaled, codes[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - own))
