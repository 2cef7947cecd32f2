"""Confidence against accuracy, in bins."""

from __future__ import annotations

import json

import numpy as np
import pytest

from head.trust.reliability import ReliabilityBin, calibration_error, reliability


def test_reliability__by_hand() -> None:
    """Two answers at 0.9, one of them right, and one at 0.52, right; empty bins are left out."""
    bins = reliability(np.array([0.9, 0.52, 0.9]), np.array([True, True, False]))
    assert [(b.answers, b.confidence, b.accuracy) for b in bins] == [
        (1, pytest.approx(0.52), 1.0),
        (2, pytest.approx(0.9), 0.5),
    ]
    assert [(b.low, b.high) for b in bins] == [(7 / 15, 8 / 15), (13 / 15, 14 / 15)]


def test_reliability__certain_answers_are_in_the_last_bin() -> None:
    """A probability of 1 has a bin."""
    [only] = reliability(np.ones(3), np.ones(3, bool))
    assert (only.high, only.answers, only.accuracy) == (1.0, 3, 1.0)


def test_reliability__survives_json() -> None:
    """What is stored is what was measured."""
    bins = reliability(np.array([0.3, 0.7, 0.71]), np.array([True, False, True]))
    stored = json.loads(json.dumps([b.to_json() for b in bins]))
    assert tuple(map(ReliabilityBin.from_json, stored)) == bins


def test_calibration_error__by_hand() -> None:
    """Confidence 0.9 with every second answer right is off by 0.4."""
    correct = np.arange(10) % 2 == 0
    assert calibration_error(reliability(np.full(10, 0.9), correct)) == pytest.approx(0.4)
    assert calibration_error(reliability(np.ones(10), np.ones(10, bool))) == 0
    assert calibration_error(()) is None
