"""How far a retrain is: shares that never go back, end at one, and come in small parts."""

from __future__ import annotations

import pytest

from head.data.plan import plan_search
from head.fit.options import TrainOptions
from head.job import retrain
from head.steps import EXPECTED, Standing, Step, Steps, each_step, seconds_left
from head.train import train
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.references import Pictures


@pytest.fixture
def told() -> list[Standing]:
    """What was said, in order."""
    return []


def test_retrain__never_goes_back_and_ends_at_one(
    store: VectorStore, clouds: Clouds, pictures: Pictures, told: list[Standing]
) -> None:
    """The whole job, with an active head to compare with: every step is named in its order."""
    store.add(clouds.references(SIZES, pictures))
    retrain(store)
    retrain(store, tell=told.append)
    shares = [standing.share for standing in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert max(shares[:-1]) < 1.0
    words = list(dict.fromkeys(standing.step for standing in told))
    assert [word.split(" up to ")[0].split()[0] for word in words] == [
        step.split()[0] for step in Step
    ]
    assert any(word.startswith("comparing up to ") for word in words)


def test_train__says_something_for_every_fold(clouds: Clouds, told: list[Standing]) -> None:
    """Inside the long steps there is a word for each fold, and none is a leap of a tenth."""
    data = clouds.training_set(SIZES)
    train(data, options=TrainOptions(steps=Steps(told.append)))
    folds = len(plan_search(data.codes, data.groups, data.marks, seed=0).scored_folds)
    comparing = [standing for standing in told if standing.step.startswith("comparing up to")]
    calibrating = [standing for standing in told if standing.step == Step.CALIBRATING]
    assert len(comparing) > 4 * folds
    assert len(calibrating) > folds


def test_steps__what_is_left_out_is_jumped_over(told: list[Standing]) -> None:
    """A step that ends early counts as done when the next one begins."""
    steps = Steps(told.append)
    steps.begin(Step.COMPARING, of=10)
    steps.did(3)
    steps.begin(Step.PUBLISHING)
    steps.did()
    everything = sum(EXPECTED.values())
    begins = (EXPECTED[Step.READING] + EXPECTED[Step.SPREADING]) / everything
    assert told[0].share == pytest.approx(begins)
    assert told[1].share == pytest.approx(begins + 0.3 * EXPECTED[Step.COMPARING] / everything)
    assert told[2].share == pytest.approx(1 - EXPECTED[Step.PUBLISHING] / everything)
    assert told[3].share == pytest.approx(1.0)


def test_steps__more_parts_than_were_expected_are_no_more_than_the_step(
    told: list[Standing],
) -> None:
    """The share stays at its end, and a step that begins again does not take it back."""
    steps = Steps(told.append)
    steps.begin(Step.READING, of=2)
    for _ in range(3):
        steps.did()
    end = EXPECTED[Step.READING] / sum(EXPECTED.values())
    assert told[-1].share == pytest.approx(end)
    steps.begin(Step.READING, of=2)
    assert told[-1].share == pytest.approx(end)


def test_steps__expected_from_what_there_is_to_do(told: list[Standing]) -> None:
    """A step that is most of the work is most of the share."""
    steps = Steps(told.append)
    steps.expect({Step.COMPARING: 10 * sum(EXPECTED.values())})
    steps.begin(Step.COMPARING)
    steps.did()
    assert told[1].share - told[0].share > 0.9


def test_each_step__is_said_once() -> None:
    """For a log: its words when it begins, and no shares."""
    said: list[str] = []
    steps = Steps(each_step(said.append))
    steps.begin(Step.COMPARING, of=2, words="comparing 2 ways")
    steps.did(2)
    steps.begin(Step.CALIBRATING)
    assert said == ["comparing 2 ways", "calibrating"]


@pytest.mark.parametrize(("share", "left"), [(0.0, None), (0.01, None), (0.25, 30.0), (1.0, 0.0)])
def test_seconds_left(share: float, left: float | None) -> None:
    """As the part that is done took; nothing while that is too little."""
    assert seconds_left(share, 10.0) == left
