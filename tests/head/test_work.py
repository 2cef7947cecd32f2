"""What a percentage rests on: how long each step takes, in relation to the others."""

from __future__ import annotations

import pytest

from head.data.plan import plan_search
from head.data.training_set import TrainingSet
from head.fit.options import TrainOptions
from head.steps import Standing, Step, Steps
from head.train import train
from head.trust.calibration import CALIBRATED_ON
from head.work import VOTES, work_of
from tests.head.conftest import SIZES, Clouds


def test_work__votes_are_those_of_the_calibration() -> None:
    """The number is named twice, because the one lies above the other."""
    assert VOTES == CALIBRATED_ON


def test_work__many_classes_are_work_for_the_comparison() -> None:
    """A step grows by what its loops go over."""
    few, many = work_of(5_000, 384, 10), work_of(5_000, 384, 1_000)
    assert many[Step.COMPARING] > 50 * few[Step.COMPARING]
    assert many[Step.SPREADING] == few[Step.SPREADING]
    wide = work_of(5_000, 1_280, 10)
    assert wide[Step.SPREADING] > 5 * few[Step.SPREADING]
    large = work_of(1_000_000, 384, 10)
    assert large[Step.COMPARING] == pytest.approx(work_of(50_000, 384, 10)[Step.COMPARING])
    assert large[Step.FITTING] > 10 * large[Step.COMPARING]


def test_work__a_search_scores_as_many_folds_as_its_plan(clouds: Clouds) -> None:
    """Fewer where the gallery is large; the plan says how many."""
    data: TrainingSet = clouds.training_set({"ant": 12_500, "bee": 12_500})
    scored = len(plan_search(data.codes, data.groups, data.marks, seed=0).scored_folds)
    work, all_five = work_of(25_000, 16, 2), work_of(20_000, 16, 2)
    each = (work[Step.COMPARING] - 0.03) / (25_000 * 16 * 2) / scored
    assert each == pytest.approx((all_five[Step.COMPARING] - 0.03) / (20_000 * 16 * 2) / 5)


def test_train__expects_its_steps_from_its_size(clouds: Clouds) -> None:
    """A training of three dozen references begins where its own work says, not an average one."""
    told: list[Standing] = []
    data = clouds.training_set(SIZES)
    train(data, options=TrainOptions(steps=Steps(told.append)))
    work = work_of(len(data), data.vectors.shape[1], len(data.labels))
    begins = next(one.share for one in told if one.step == Step.REHEARSING)
    before = sum(work[step] for step in list(Step)[: list(Step).index(Step.REHEARSING)])
    assert begins == pytest.approx(before / sum(work.values()))
