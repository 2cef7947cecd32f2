"""Queries of classes that are not in the gallery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from head.choice.cross_validation import prepare, within_everything
from head.fit.features import FeatureMap
from head.fit.whitening import Metric
from head.trust.conformal import LEVELS
from head.trust.novelty import OUTSIDE_WEIGHT, Novelty, usual_scores
from tests.head.conftest import Clouds

SIZES = {"ant": 40, "bee": 40, "wasp": 40}


def novelty_of(clouds: Clouds) -> Novelty:
    """Learned from three classes, with what is usual out of fold."""
    data = clouds.training_set(SIZES)
    within = within_everything(data, FeatureMap.PLAIN)
    assert within is not None
    usual = usual_scores(prepare(data))
    return Novelty.of(within, Metric.of(within, FeatureMap.PLAIN), usual)


def test_novelty__strangers_score_higher_than_known_queries() -> None:
    """New vectors of a known class score below nearly all of those of an unknown one."""
    clouds = Clouds(32)
    novelty = novelty_of(clouds)
    known = novelty.score(clouds.of("ant", 50, first=1000))
    strange = novelty.score(clouds.of("moth", 50))
    assert (known[:, None] < strange[None, :]).mean() > 0.95


def test_novelty__false_alarms_are_about_as_rare_as_asked() -> None:
    """Of new queries of known classes, about one in ten is stranger than 90 % of the references."""
    clouds = Clouds(32)
    novelty = novelty_of(clouds)
    known = np.concatenate([clouds.of(label, 200, first=1000) for label in SIZES])
    alarms = novelty.stranger_than(novelty.score(known)) >= 0.9
    assert alarms.mean() == pytest.approx(0.1, abs=0.06)
    strangers = novelty.stranger_than(novelty.score(clouds.of("moth", 100)))
    assert (strangers >= 0.95).mean() > 0.5


def test_novelty__is_the_stated_sum() -> None:
    """Share of the whitened distance left by the nearest class, plus plain distance in spreads."""
    clouds = Clouds(8)
    novelty = novelty_of(clouds)
    query = clouds.of("moth", 1)
    placed = novelty.metric.place(query)[0].astype(float)
    means = novelty.metric.place(novelty.means).astype(float)
    unexplained = min(((placed - mean) ** 2).sum() for mean in means) / (placed**2).sum()
    outside = min(((query[0] - mean) ** 2).sum() for mean in novelty.means) / novelty.spread
    assert novelty.score(query)[0] == pytest.approx(
        unexplained + OUTSIDE_WEIGHT * outside, rel=1e-4
    )


def test_novelty__stored_with_what_its_thresholds_were_found_with() -> None:
    """A changed constant leaves stored heads as they are; older ones have that of their time."""
    novelty = replace(novelty_of(Clouds(4)), outside_weight=0.4)
    stored = novelty.to_json()
    query = Clouds(4).of("moth", 5)
    again = Novelty.from_json(stored, metric=novelty.metric, means=novelty.means)
    np.testing.assert_array_equal(again.score(query), novelty.score(query))
    del stored["outside_weight"]
    assert (
        Novelty.from_json(stored, metric=novelty.metric, means=novelty.means).outside_weight == 0.15
    )


def test_novelty__few_references_call_nothing_unknown() -> None:
    """Where no level can be vouched for, nothing is stranger than that level."""
    data = Clouds(8).training_set({"ant": 4, "bee": 4})
    usual = usual_scores(prepare(data))
    assert len(usual) == len(LEVELS)
    novelty = replace(novelty_of(Clouds(8)), usual=tuple(usual))
    assert novelty.stranger_than(np.array([1e6]))[0] == pytest.approx(0.885)  # 8/9, rounded down
    assert novelty.tells(0.885)
    assert not novelty.tells(0.89)


def test_novelty__without_a_fold_nothing_is_strange() -> None:
    """Where nothing was scored, no share can be told."""
    novelty = replace(novelty_of(Clouds(8)), usual=())
    assert novelty.stranger_than(np.array([1e6])).tolist() == [0.0]
    assert not novelty.tells(0.5)
