"""What is learned in the few coordinates of few vectors is what is learned in all dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from head.fit.span import Span
from head.train import train
from head.versions.head import Head
from tests.head.conftest import Clouds

CLOUDS = Clouds(96, spread=0.3)
LABELS = ["ant", "bee", "fly", "wasp"]


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> tuple[Head, Head]:
    """Trained on 40 vectors of 96 dimensions: in their span, and in all dimensions."""
    data = CLOUDS.training_set(dict.fromkeys(LABELS, 10))
    few = train(data)
    monkeypatch.setattr(Span, "of", lambda _: Span())
    return few, train(data)


def test_span__the_same_head_comes_out(heads: tuple[Head, Head]) -> None:
    """The same choice by the same figures, the same probabilities for queries, and calibration."""
    few, every = heads
    assert few.record.report["winner"] == every.record.report["winner"]
    for one, other in zip(
        few.record.report["candidates"], every.record.report["candidates"], strict=True
    ):
        assert one["macro_accuracy"] == other["macro_accuracy"]
        assert one["log_loss"] == pytest.approx(other["log_loss"], rel=1e-3)
    queries = np.concatenate([CLOUDS.of(label, 20, first=100) for label in [*LABELS, "moth"]])
    np.testing.assert_allclose(few.probabilities(queries), every.probabilities(queries), atol=2e-3)
    for mode, calibration in few.calibration.items():
        assert calibration.temperature == pytest.approx(
            every.calibration[mode].temperature, rel=0.02
        )


def test_span__novelty_metric_and_gate_see_what_is_outside(heads: tuple[Head, Head]) -> None:
    """Strangers leave the span: whitened cosines and novelty scores know how far."""
    few, every = heads
    strangers = CLOUDS.of("moth", 20)
    assert few.metric is not None
    assert every.metric is not None
    mine, theirs = few.metric.whiten(strangers), every.metric.whiten(strangers)
    np.testing.assert_allclose(mine @ mine.T, theirs @ theirs.T, atol=1e-4)
    assert few.novelty is not None
    assert every.novelty is not None
    np.testing.assert_allclose(
        few.novelty.score(strangers), every.novelty.score(strangers), rtol=1e-4
    )
    np.testing.assert_allclose(few.novelty.usual, every.novelty.usual, rtol=1e-3)
    assert few.gate is not None
    assert every.gate is not None
    np.testing.assert_allclose(few.gate.coefficients, every.gate.coefficients, rtol=0.02, atol=0.02)


def test_span__many_vectors_keep_their_dimensions() -> None:
    """Nothing is rotated, or copied, where there are as many vectors as dimensions."""
    vectors = Clouds(16).of("ant", 16)
    span = Span.of(vectors)
    assert span.basis is None
    assert span.coordinates(vectors) is vectors
