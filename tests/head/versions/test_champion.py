"""Champion and challenger: the comparison, and the job that acts on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from head import train
from head.choice.repeats import OutOfFold, out_of_fold
from head.choice.selection import choose
from head.data.held_out import HeldOut
from head.data.training_set import TrainingSet
from head.fit.options import TrainOptions
from head.job import retrain
from head.options import RetrainOptions, RetrainStatus
from head.versions import champion, registry
from head.versions.champion import judge
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
        held_out=HeldOut.of(data.marks, predicted[:, None], truth),
    )


def test_judge__better_challenger_passes(clouds: Clouds) -> None:
    """Against a champion that was wrong on every third reference, the challenger wins."""
    data = clouds.training_set(SIZES)
    verdict = judge(
        data, out_of_fold(data, choose(data)), champion_that(data, wrong=np.arange(120) % 3 == 0)
    )
    assert not verdict.worse
    assert verdict.references == 120
    assert verdict.challenger_accuracy is not None
    assert verdict.champion_accuracy == pytest.approx(80 / 120)
    assert verdict.challenger_accuracy > 0.85
    assert verdict.reason.startswith("not worse")


def test_judge__worse_challenger_is_caught_with_its_classes() -> None:
    """Trained on noise, against a champion that was always right: worse, class by class."""
    data = Clouds(16, spread=5.0).training_set(SIZES)
    verdict = judge(
        data, out_of_fold(data, choose(data)), champion_that(data, wrong=np.zeros(120, bool))
    )
    assert verdict.worse
    assert "points lower" in verdict.reason
    assert {regression.label for regression in verdict.regressions} == set(SIZES)
    losses = [regression.champion - regression.challenger for regression in verdict.regressions]
    assert losses == sorted(losses, reverse=True)
    assert all(regression.references == 40 for regression in verdict.regressions)


def answers(data: TrainingSet, *, wrong: np.ndarray) -> OutOfFold:
    """A challenger that is right but for the marked (R, N) answers."""
    logits = np.zeros((*wrong.shape, len(data.labels)), np.float32)
    given = np.where(wrong, (data.codes + 1) % len(data.labels), data.codes)
    np.put_along_axis(logits, given[..., None], 1.0, axis=2)
    return OutOfFold(np.arange(len(data)), logits)


def test_judge__loss_is_weighed_against_its_standard_error(clouds: Clouds) -> None:
    """Six of 120 lost and none won may be chance (2.6 errors are asked), seven are not."""
    data = clouds.training_set(SIZES)
    old = champion_that(data, wrong=np.zeros(120, bool))
    six, seven = (judge(data, answers(data, wrong=np.arange(120)[None] < n), old) for n in (6, 7))
    assert not six.worse
    assert six.reason == "not worse: accuracy -5.0 points, macro -5.0 points"
    assert seven.worse
    assert seven.reason == "accuracy is 5.8 points lower (standard error 2.1, p = 0.0033)"
    assert seven.standard_error == pytest.approx(np.std(np.arange(120) < 7, ddof=1) / np.sqrt(120))


def test_judge__divisions_are_averaged(clouds: Clouds) -> None:
    """Wrong in one of four divisions counts a quarter."""
    data = clouds.training_set(SIZES)
    old = champion_that(data, wrong=np.zeros(120, bool))
    wrong = np.stack([np.arange(120) < n for n in (12, 0, 0, 0)])
    verdict = judge(data, answers(data, wrong=wrong), old)
    assert verdict.challenger_accuracy == pytest.approx(1 - 12 / 4 / 120)
    assert verdict.divisions == 4


def test_judge__references_of_a_group_are_one_piece_of_evidence(clouds: Clouds) -> None:
    """Twelve lost references are beyond doubt, but not where they are one specimen."""
    data = clouds.training_set(SIZES)
    old = champion_that(data, wrong=np.zeros(120, bool))
    lost = answers(data, wrong=np.arange(120)[None] < 12)
    assert judge(data, lost, old).worse
    specimen = replace(data, groups=np.maximum(np.arange(120), 12))
    assert not judge(specimen, lost, old).worse


def test_judge__rare_class_that_is_lost_is_seen_by_the_macro_accuracy() -> None:
    """Ten references of one class in 1,010: too few for the accuracy, a fifth of the macro."""
    sizes = {**dict.fromkeys("abcd", 250), "rare": 10}
    data = Clouds(16).training_set(sizes)
    rng = np.random.default_rng(0)
    old = champion_that(data, wrong=(rng.random(1010) < 0.1) & (data.codes < 4))
    wrong = (rng.random(1010) < 0.09) & (data.codes < 4) | (data.codes == 4)
    verdict = judge(data, answers(data, wrong=wrong[None]), old)
    assert verdict.worse
    assert verdict.reason.startswith("macro accuracy is")


def test_judge__relabelled_references_are_left_out(clouds: Clouds) -> None:
    """Where a new label is a mistake, the challenger that learned it must not be praised for it."""
    data = clouds.training_set(SIZES)
    old = champion_that(data, wrong=np.zeros(120, bool))
    codes = data.codes.copy()
    codes[:20] = 1
    verdict = judge(replace(data, codes=codes), answers(data, wrong=np.zeros((1, 120), bool)), old)
    assert verdict.references == 100
    assert old.held_out is not None
    former = replace(old, held_out=replace(old.held_out, codes=None))
    verdict = judge(
        replace(data, codes=codes), answers(data, wrong=np.zeros((1, 120), bool)), former
    )
    assert verdict.references == 120


def test_train__seed_does_not_turn_the_verdict() -> None:
    """A few references of 200 changed: nothing is held, and no figure moves but with the recipe."""
    clouds = Clouds(24, spread=0.45)
    sizes = dict.fromkeys("abcde", 40)
    data = clouds.training_set(sizes)
    first = train.train(data)
    changed = data.vectors.copy()
    changed[::40] = np.concatenate([clouds.of(label, 1, first=900) for label in sizes])
    marks = data.marks.copy()
    marks[::40] += 10_000
    grown = replace(data, vectors=changed, marks=marks)
    verdicts: dict[str, set[str]] = {}
    for seed in range(6):
        report = train.train(grown, first, TrainOptions(seed=seed)).record.report
        assert report["comparison"]["worse"] is False
        assert report["comparison"]["references"] == 195
        recipe = f"{report['winner']} {report['features']} {report['shrinkage']}"
        verdicts.setdefault(recipe, set()).add(report["comparison"]["reason"])
    assert all(len(reasons) == 1 for reasons in verdicts.values())
    assert len(verdicts) < 6


def test_train__mislabelled_import_is_held() -> None:
    """A quarter of new references under wrong labels: the head before goes on answering."""
    clouds = Clouds(24, spread=0.45)
    data = clouds.training_set(dict.fromkeys("abcde", 40))
    first = train.train(data)
    more = clouds.training_set(dict.fromkeys("abcde", 80))
    fresh = np.arange(400) % 80 >= 40
    codes = np.where(fresh, (more.codes + 1) % 5, more.codes)
    marks = np.where(fresh, 10_000 + np.arange(400), more.codes * 40 + np.arange(400) % 80)
    for wrong in (False, True):
        imported = replace(more, codes=codes if wrong else more.codes, marks=marks)
        assert train.train(imported, first).record.report["comparison"]["worse"] is wrong


def test_judge__new_class_is_not_held_against_the_challenger() -> None:
    """A class that the champion never knew is left out, and is no answer in the comparison."""
    data = Clouds(16, spread=0.12).training_set(SIZES)
    # Half of bee is now called by a new name, but looks the same: the challenger mixes them up.
    codes = data.codes.copy()
    codes[60:80] = 3
    grown = replace(data, labels=(*data.labels, "zzz"), codes=codes)
    old = champion_that(data, wrong=np.zeros(120, bool))
    verdict = judge(grown, out_of_fold(grown, choose(grown)), old)
    assert verdict.references == 100
    assert not verdict.worse


def test_judge__champions_answers_with_labels_that_are_gone_are_left_out(clouds: Clouds) -> None:
    """It would not give them today."""
    data = clouds.training_set(SIZES)
    old = champion_that(data, wrong=np.zeros(120, bool), labels=("gone", *data.labels))
    assert old.held_out is not None
    predicted = old.held_out.predicted.copy()
    predicted[:30] = 0
    old = replace(old, held_out=replace(old.held_out, predicted=predicted))
    assert judge(data, out_of_fold(data, choose(data)), old).references == 90


def test_judge__too_few_in_common_is_no_reason_to_hold(clouds: Clouds) -> None:
    """Without evidence the challenger passes, and the reason says so."""
    data = clouds.training_set(SIZES)
    other = replace(data, marks=data.marks + 10_000)
    verdict = judge(
        data, out_of_fold(data, choose(data)), champion_that(other, wrong=np.zeros(120, bool))
    )
    assert not verdict.worse
    assert verdict.reason.startswith("only 0 references")


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
