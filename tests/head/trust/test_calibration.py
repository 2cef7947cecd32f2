"""Calibrations and what is measured of probabilities."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from head.fit.temperature import softmax
from head.trust.calibration import Calibration, pooled_scores
from head.trust.reliability import calibration_error, reliability


def drawn(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 6) logits, and labels drawn from their softmax: perfectly calibrated."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 6))
    chosen = (softmax(logits).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits, chosen


def test_calibration__fits_overconfident_scores() -> None:
    """Scores three times too sharp come out calibrated, and rank as before."""
    logits, codes = drawn(4000)
    calibration = Calibration.fit(3 * logits, codes)
    fresh, truth = drawn(4000, seed=1)
    probabilities = calibration.probabilities(3 * fresh)
    confidence, best = probabilities.max(axis=1), probabilities.argmax(axis=1)
    assert (best == fresh.argmax(axis=1)).all()
    assert calibration_error(reliability(confidence, best == truth)) < 0.03
    assert calibration.figures["answers"] == 4000
    assert calibration.figures["calibration_error"] < 0.03


def test_calibration__survives_json() -> None:
    """What is stored gives the same answers."""
    calibration = Calibration.fit(*drawn(300))
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_calibration__of_a_head_without_bins_is_read() -> None:
    """Heads of before bins were kept answer as ever; they have nothing to draw."""
    calibration = Calibration.fit(*drawn(300))
    stored = calibration.to_json()
    del stored["bins"]
    assert Calibration.from_json(stored) == replace(calibration, bins=())


def test_pooled_scores__are_logs_of_the_mean() -> None:
    """Two opinions count the same; a label that one rules out keeps half of the other's word."""
    first, second = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    np.testing.assert_allclose(np.exp(pooled_scores(first, second)), [[0.75, 0.25]])


def test_calibration__claims_no_more_than_its_answers_support() -> None:
    """20 right answers of 20 support 21/22, of a query that could not be clearer too."""
    scores = 5.0 * np.eye(4)[np.arange(20) % 4]
    calibration = Calibration.fit(scores, np.arange(20) % 4)
    clearest = calibration.probabilities(1000 * np.eye(4))
    assert clearest.max() == pytest.approx(21 / 22)
    assert calibration.probabilities(scores).max(axis=1).mean() < 21 / 22
    np.testing.assert_allclose(clearest.sum(axis=1), 1)


def test_calibration__one_label_alone_is_certain() -> None:
    """With nothing to be mistaken for, it has all of the probability."""
    alone = Calibration.fit(np.zeros((5, 1)), np.zeros(5, dtype=np.int64))
    assert alone.probabilities(np.zeros((1, 1))) == pytest.approx(np.ones((1, 1)))


def test_calibration__of_many_answers_is_hardly_bounded() -> None:
    """4,000 answers support .9998."""
    calibration = Calibration.fit(*drawn(4000))
    assert calibration.probabilities(np.array([[99.0, 0, 0, 0, 0, 0]])).max() > 0.9997
