"""Champion and challenger: the comparison, and the job that acts on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from head import train
from head.choice.selection import choose
from head.data.held_out import HeldOut
from head.data.training_set import TrainingSet
from head.job import retrain
from head.options import RetrainOptions, RetrainStatus
from head.versions import champion, registry
from head.versions.champion import at_least, judge
from head.versions.head import Head
from holotype.store.port import VectorStore
from tests.head.conftest import Clouds
from tests.head.versions.test_registry import make_head
from tests.references import Pictures, picture_id

SIZES = {"ant": 40, "bee": 40, "wasp": 40}


def champion_that(
    data: TrainingSet, *, wrong: np.ndarray, labels: tuple[str, ...] | None = None
) -> Head:
    """A head whose out-of-fold predictions are right but for the marked references."""
    labels = labels or data.labels
    place = {label: i for i, label in enumerate(labels)}
    truth = np.array([place.get(data.labels[c], 0) for c in data.codes])
    predicted = np.where(wrong, (truth + 1) % len(labels), truth)
    head = make_head("champion", data.vectors.shape[1])
    return replace(
        head,
        labels=labels,
        weights=np.zeros((len(labels), head.dimension), np.float32),
        held_out=HeldOut.of(data.marks, predicted),
    )


def test_judge__better_challenger_passes(clouds: Clouds) -> None:
    """Against a champion that was wrong on every third reference, the challenger wins."""
    data = clouds.training_set(SIZES)
    verdict = judge(data, choose(data), champion_that(data, wrong=np.arange(120) % 3 == 0))
    assert not verdict.worse
    assert verdict.references == 120
    assert verdict.challenger_accuracy is not None
    assert verdict.champion_accuracy == pytest.approx(80 / 120)
    assert verdict.challenger_accuracy > 0.85
    assert verdict.reason.startswith("not worse")


def test_judge__worse_challenger_is_caught_with_its_classes() -> None:
    """Trained on noise, against a champion that was always right: worse, class by class."""
    data = Clouds(16, spread=5.0).training_set(SIZES)
    verdict = judge(data, choose(data), champion_that(data, wrong=np.zeros(120, bool)))
    assert verdict.worse
    assert "points lower" in verdict.reason
    assert {regression.label for regression in verdict.regressions} == set(SIZES)
    losses = [regression.champion - regression.challenger for regression in verdict.regressions]
    assert losses == sorted(losses, reverse=True)
    assert all(regression.references == 40 for regression in verdict.regressions)


def test_judge__new_class_is_not_held_against_the_challenger() -> None:
    """A class that the champion never knew is left out, and is no answer in the comparison."""
    data = Clouds(16, spread=0.12).training_set(SIZES)
    # Half of bee is now called by a new name, but looks the same: the challenger mixes them up.
    codes = data.codes.copy()
    codes[60:80] = 3
    grown = replace(data, labels=(*data.labels, "zzz"), codes=codes)
    old = champion_that(data, wrong=np.zeros(120, bool))
    verdict = judge(grown, choose(grown), old)
    assert verdict.references == 100
    assert not verdict.worse


def test_judge__champions_answers_with_labels_that_are_gone_are_left_out(clouds: Clouds) -> None:
    """It would not give them today."""
    data = clouds.training_set(SIZES)
    old = champion_that(data, wrong=np.zeros(120, bool), labels=("gone", *data.labels))
    assert old.held_out is not None
    predicted = old.held_out.predicted.copy()
    predicted[:30] = 0
    old = replace(old, held_out=HeldOut(old.held_out.marks, predicted))
    assert judge(data, choose(data), old).references == 90


def test_judge__too_few_in_common_is_no_reason_to_hold(clouds: Clouds) -> None:
    """Without evidence the challenger passes, and the reason says so."""
    data = clouds.training_set(SIZES)
    other = replace(data, marks=data.marks + 10_000)
    verdict = judge(data, choose(data), champion_that(other, wrong=np.zeros(120, bool)))
    assert not verdict.worse
    assert verdict.reason.startswith("only 0 references")


@pytest.mark.parametrize(("lost", "n"), [(0, 0), (0, 5), (3, 5), (12, 15), (600, 1100)])
def test_at_least__is_the_binomial_tail(lost: int, n: int) -> None:
    """McNemar's exact p-value is that of a sign test."""
    expected = binomtest(lost, n, 0.5, alternative="greater").pvalue if n else 1.0
    assert at_least(lost, n) == pytest.approx(expected)


def test_retrain__head_of_a_gallery_that_lost_its_references_is_held(
    store: VectorStore, pictures: Pictures
) -> None:
    """Most references are removed by a mistake: the old head goes on answering."""
    labels = [f"species {n}" for n in range(15)]
    store.add(Clouds(16, spread=0.28).references(dict.fromkeys(labels, 20), pictures))
    first = retrain(store)
    store.remove(ids=[picture_id(f"{label}-{n}") for label in labels for n in range(3, 20)])
    result = retrain(store)
    pointer = store.active_head()
    assert pointer is not None
    assert pointer.version == first.version
    assert result.status is RetrainStatus.HELD
    assert result.report["comparison"]["references"] == 45
    assert result.report["comparison"]["regressions"]


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that finds every challenger worse."""
    found = champion.judge

    def worse(*arguments: object) -> champion.Comparison:
        return replace(found(*arguments), worse=True, reason="accuracy is 3.0 points lower")  # type: ignore[arg-type]

    monkeypatch.setattr(train, "judge", worse)


@pytest.mark.usefixtures("strict")
def test_retrain__held_head_is_kept_and_can_be_promoted(
    store: VectorStore, clouds: Clouds, pictures: Pictures
) -> None:
    """Held: stored with its reason, not active, not trained again until something changes."""
    store.add(clouds.references(SIZES, pictures))
    first = retrain(store)
    second = retrain(store)
    assert second.status is RetrainStatus.HELD
    assert "was kept but held" in second.reason
    assert "3.0 points lower" in second.reason
    assert [record.status for record in store.heads()] == ["ready", "held"]
    active = registry.active(store)
    assert active is not None
    assert active.version == first.version
    assert retrain(store, RetrainOptions(if_needed=True)).status is RetrainStatus.NOT_NEEDED
    assert second.version is not None
    assert registry.promote(store, second.version).version == second.version


@pytest.mark.usefixtures("strict")
def test_retrain__force_overrules(store: VectorStore, clouds: Clouds, pictures: Pictures) -> None:
    """With --force the worse head answers; the comparison stays in its report."""
    store.add(clouds.references(SIZES, pictures))
    retrain(store)
    forced = retrain(store, RetrainOptions(force=True))
    assert forced.status is RetrainStatus.ACTIVATED
    assert forced.report["comparison"]["worse"] is True
