"""When to answer "unknown"."""

from __future__ import annotations

import numpy as np
import pytest

from head.trust.abstention import Abstention


def test_below__by_hand() -> None:
    """Nine right answers, then wrong ones: 90 % is held down to the ninth and no further."""
    confidence = np.linspace(0.99, 0.80, 12)
    correct = np.array([True] * 9 + [False] * 3)
    abstention = Abstention.fit(confidence, correct)
    assert abstention.below(0.90) == pytest.approx(confidence[8])  # 9 of 10, one wrong assumed
    assert abstention.coverage_at(0.90) == pytest.approx(9 / 12)
    assert abstention.below(0.92) == float("inf")
    assert abstention.coverage_at(0.92) == 0


def test_below__precision_holds_on_new_answers() -> None:
    """Answers above the threshold for 90 % are right about 90 % of the time on fresh ones."""
    rng = np.random.default_rng(0)
    confidence, fresh = rng.random((2, 5000))
    abstention = Abstention.fit(confidence, rng.random(5000) < confidence)
    answered = fresh >= abstention.below(0.9)
    right = rng.random(5000) < fresh
    assert right[answered].mean() == pytest.approx(0.9, abs=0.03)
    assert answered.mean() == pytest.approx(0.2, abs=0.05)  # mean of [c, 1] is 0.9 for c = 0.8


def test_below__equal_confidences_are_answered_together() -> None:
    """Of equal answers, the lucky half is not taken for the rule."""
    confidence = np.full(20, 0.7)
    correct = np.arange(20) < 10
    abstention = Abstention.fit(confidence, correct)
    assert len(abstention.curve) == 1
    assert abstention.curve[0].precision == pytest.approx(10 / 21)


def test_abstention__survives_json() -> None:
    """What is stored is what was fitted."""
    rng = np.random.default_rng(0)
    abstention = Abstention.fit(rng.random(500), rng.random(500) < 0.5)
    assert len(abstention.curve) <= 200
    assert Abstention.from_json(abstention.to_json()) == abstention
