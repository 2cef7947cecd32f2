"""Newcomers and known classes, told apart by a gate."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from head.fit.whitening import Metric
from head.trust.gate import Gate, Gated, Landmarks

PLAIN = Metric(np.diag([1.0, 2.0, 1.0]).astype(np.float32), np.zeros(3, np.float32))
"""Stretches the second axis, so that both views differ."""

GATE = Gate(np.array([-1.0, 0.5, 0.25, 3.0, -2.0, 1.0, -0.5]), asked=98)


def marks(*rows: list[float]) -> Landmarks:
    """These points."""
    return Landmarks.of(PLAIN, np.array(rows))


def test_log_odds__by_hand() -> None:
    """Four cosines and the number of references, each with its coefficient, then half sure."""
    odds = GATE.log_odds(
        marks([0.6, 0.8, 0.0]),
        newcomers=marks([0.0, 5.0, 0.0]),
        counts=np.array([4.0]),
        known=marks([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]),
    )
    whitened = np.array([0.6, 1.6]) / np.hypot(0.6, 1.6)
    by_hand = -1.0 + 0.5 / 2 + 0.25 / 4 + 3 * whitened[1] - 2 * whitened[0] + 0.8 - 0.5 * 0.6
    assert odds == pytest.approx(np.array([[by_hand * 4 / 4.5]]), rel=1e-5)


def test_log_odds__are_no_higher_than_the_rehearsal_supports() -> None:
    """98 references asked support 99 to 1, however near the query lies."""
    sure = Gate(np.array([0.0, 0.0, 0.0, 100.0, 0.0, 0.0, 0.0]), asked=98)
    odds = sure.log_odds(
        marks([0.0, 1.0, 0.0]),
        newcomers=marks([0.1, 1.0, 0.0], [0.0, 1.0, 0.0]),
        counts=np.array([10.0, 10.0]),
        known=marks([1.0, 0.0, 0.0]),
    )
    assert np.exp(odds[0, 1]) == pytest.approx(99.0)
    assert odds[0, 0] < odds[0, 1], "the nearer of two is still told from the other"


def test_share__divides_by_odds() -> None:
    """Two newcomers and the known classes together share out what there is."""
    newcomers, counts = marks([0.0, 1.0, 0.0], [0.0, 0.6, 0.8]), np.array([1.0, 3.0])
    known = marks([1.0, 0.0, 0.0])
    gated = Gated(GATE, PLAIN, known=known, newcomers=newcomers, counts=counts)
    queries = np.array([[0.0, 0.8, 0.6], [0.8, 0.6, 0.0]], dtype=np.float32)
    odds = np.exp(
        GATE.log_odds(Landmarks.of(PLAIN, queries), newcomers=newcomers, counts=counts, known=known)
    )
    np.testing.assert_allclose(
        gated.share(queries), odds / (1 + odds.sum(axis=1, keepdims=True)), rtol=1e-6
    )


def test_gate__survives_json() -> None:
    """What is stored gives the same odds, whatever new gates are made with."""
    gate = dataclasses.replace(GATE, half_sure=0.25)
    again = Gate.from_json(json.loads(json.dumps(gate.to_json())))
    assert (again.asked, again.half_sure) == (98, 0.25)
    np.testing.assert_array_equal(again.coefficients, gate.coefficients)


def test_gate__of_before_half_sure_was_stored() -> None:
    """Such a gate answers as it did then."""
    stored = {"coefficients": [-1.0, 0.5, 0.25, 3.0, -2.0, 1.0, -0.5], "asked": 98}
    assert Gate.from_json(stored).half_sure == 0.5
