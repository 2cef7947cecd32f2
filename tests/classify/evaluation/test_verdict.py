"""Which mode to use: a paired test on the same queries, and a sentence that claims no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np
import pytest

from classify.answering.modes import Mode
from classify.evaluation.evaluation import Evaluation, Subject
from classify.evaluation.predictions import ABSENT, Flags, Predictions
from classify.evaluation.verdict import holm, mcnemar, verdict_of

LABELS = ("ant", "bee")


def judged(
    right: Mapping[Mode, Sequence[bool]],
    *,
    near_duplicate: Flags | None = None,
    absent: Flags | None = None,
) -> Evaluation:
    """An evaluation in which each mode had these queries right."""
    n = len(next(iter(right.values())))
    truth = np.where(np.zeros(n, bool) if absent is None else absent, ABSENT, 0)
    predictions = {}
    for mode, correct in right.items():
        first = np.where(np.asarray(correct), 0, 1)
        ranking = np.stack([first, 1 - first], axis=1)
        scores = np.where(ranking == 0, 0.8, 0.2)
        predictions[mode] = Predictions(LABELS, truth, scores, ranking)
    return Evaluation(
        subject=Subject("bees", "ab12", "dinov2", 10, 2, None, "val", "as it is"),
        names=[f"{i}.png" for i in range(n)],
        near_duplicate=np.zeros(n, bool) if near_duplicate is None else near_duplicate,
        predictions=predictions,
    )


def rights(n: int, wrong: int, *, at: int = 0) -> list[bool]:
    """`n` queries, `wrong` of them answered wrongly, from one place on."""
    return [not at <= i < at + wrong for i in range(n)]


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (0, 0, 1.0),
        (5, 0, 2 / 32),
        (0, 5, 2 / 32),
        (4, 4, 1.0),
        (8, 2, 2 * (comb(10, 8) + comb(10, 9) + 1) / 1024),
    ],
)
def test_mcnemar__by_hand(first: int, second: int, p: float) -> None:
    """Tosses of a fair coin, both ways."""
    assert mcnemar(first, second) == pytest.approx(p)


def test_mcnemar__thousands_of_queries_are_no_overflow() -> None:
    """Large counts are numbers like others."""
    assert 0 < mcnemar(3_000, 2_600) < 1e-6


def test_holm__by_hand() -> None:
    """The smallest is multiplied by three, none becomes smaller than one before it."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_verdict__within_noise() -> None:
    """Two queries of two hundred are nothing to go by, and are not called a difference."""
    verdict = verdict_of(
        judged(
            {Mode.KNN: rights(200, 22), Mode.LINEAR: rights(200, 21), Mode.AUTO: rights(200, 20)}
        )
    )
    assert verdict is not None
    assert verdict.sentence == "Use auto (90.0 % right); linear and k-NN are within noise."
    knn = verdict.tests[-1]
    assert (knn.mode, knn.only_this, knn.only_other) == (Mode.KNN, 0, 2)
    assert knn.difference.value == pytest.approx(-0.01)
    assert knn.difference.low < -0.01 < 0 < knn.difference.high


def test_verdict__auto_where_another_is_a_little_better() -> None:
    """What is best by chance is not recommended over what a query takes by default."""
    verdict = verdict_of(judged({Mode.KNN: rights(100, 9), Mode.AUTO: rights(100, 10)}))
    assert verdict is not None
    assert verdict.sentence == "Use auto (90.0 % right); k-NN is within noise."


def test_verdict__another_that_is_better_beyond_chance() -> None:
    """Thirty queries that only k-NN has right are no chance: then it is k-NN."""
    verdict = verdict_of(
        judged(
            {Mode.KNN: rights(200, 10), Mode.LINEAR: rights(200, 12), Mode.AUTO: rights(200, 40)}
        )
    )
    assert verdict is not None
    assert verdict.sentence == (
        "Use k-NN (95.0 % right); linear is within noise, auto is worse by 15.0 points."
    )


def test_verdict__three_comparisons_are_not_one() -> None:
    """A split of six to none is p = .03 alone, but one of three pairs: no difference is claimed."""
    right = {Mode.KNN: rights(50, 6), Mode.LINEAR: rights(50, 3), Mode.AUTO: rights(50, 0)}
    alone = verdict_of(judged({mode: right[mode] for mode in (Mode.KNN, Mode.AUTO)}))
    together = verdict_of(judged(right))
    assert alone is not None
    assert together is not None
    assert alone.tests[0].p_value == pytest.approx(2 / 64)
    assert "k-NN is worse by 12.0 points" in alone.sentence
    assert together.tests[-1].p_value == pytest.approx(6 / 64)
    assert "linear and k-NN are within noise" in together.sentence


def test_verdict__seldom_differs_where_modes_are_equal() -> None:
    """Of modes that are right equally often, one in twenty at most is called better."""
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(400):
        drawn = {mode: (rng.random(150) < 0.85).tolist() for mode in Mode}
        verdict = verdict_of(judged(drawn))
        assert verdict is not None
        false += any(test.differs for test in verdict.tests)
    assert false <= 0.05 * 400


def test_verdict__near_duplicates_and_absent_classes_are_left_out() -> None:
    """What k-NN cannot miss, and what nothing can get right, says nothing about the modes."""
    rows = np.arange(60)
    verdict = verdict_of(
        judged(
            {Mode.KNN: rights(60, 30, at=30), Mode.AUTO: rights(60, 20)},
            near_duplicate=rows < 20,
            absent=rows >= 50,
        )
    )
    assert verdict is not None
    assert verdict.queries == 30
    assert verdict.sentence == "Use auto (100.0 % right); k-NN is worse by 66.7 points."


def test_verdict__of_one_mode_or_of_nothing() -> None:
    """No comparison is made up."""
    alone = verdict_of(judged({Mode.KNN: rights(10, 1)}))
    assert alone is not None
    assert alone.sentence == "Use k-NN (90.0 % right): no other mode was measured."
    assert verdict_of(judged({Mode.KNN: rights(4, 0)}, near_duplicate=np.ones(4, bool))) is None
