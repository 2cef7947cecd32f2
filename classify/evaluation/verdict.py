"""Which mode to use, in a sentence, and what that rests on.

Modes answered the same queries, so they are compared query by query: only those count that one
mode had right and the other wrong. Two modes differ where McNemar's exact two-sided test says so
(Psychometrika 12, 1947) at the 5 % level, over all pairs by Holm's method (Scandinavian Journal of
Statistics 6, 1979), since the best is picked among them. What is within noise is not equal: how
much the difference may be says its interval (Bonett and Price, Journal of Educational and
Behavioral Statistics 37, 2012). Queries are taken as independent; those with a near-duplicate in
the gallery, which k-NN cannot miss, are left out.

Shapes: Q queries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from classify.answering.modes import MODE_NAMES, Mode
from classify.evaluation.evaluation import Evaluation
from classify.evaluation.metrics import Z_95, Interval
from classify.evaluation.predictions import ABSENT, Flags

LEVEL = 0.05
PREFERRED = Mode.AUTO
"""Where it is within noise of the best: it is what a query takes by default, and of the two ways
that it pools neither has to be right alone."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One mode against another on the same queries."""

    mode: Mode
    against: Mode
    only_this: int
    """Queries that this one alone had right."""
    only_other: int
    difference: Interval
    """In accuracy, with its 95 % interval (of this comparison alone)."""
    p_value: float
    """Two-sided, adjusted for all pairs of modes."""

    @property
    def differs(self) -> bool:
        """Beyond chance."""
        return self.p_value < LEVEL


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to use."""

    mode: Mode
    queries: int
    accuracy: float
    """Of that mode, over the queries that were compared."""
    tests: tuple[PairedTest, ...]
    """Every other mode against it, the nearest first."""

    @property
    def sentence(self) -> str:
        """For people."""
        use = f"Use {MODE_NAMES[self.mode]} ({100 * self.accuracy:.1f} % right)"
        if not self.tests:
            return f"{use}: no other mode was measured."
        same = [MODE_NAMES[test.mode] for test in self.tests if not test.differs]
        worse = [
            f"{MODE_NAMES[test.mode]} is worse by {-100 * test.difference.value:.1f} points"
            for test in self.tests
            if test.differs
        ]
        noise = [f"{' and '.join(same)} {'is' if len(same) == 1 else 'are'} within noise"]
        return f"{use}; {', '.join([*(noise if same else []), *worse])}."

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "sentence": self.sentence,
            "mode": self.mode.value,
            "queries": self.queries,
            "accuracy": self.accuracy,
            "tests": [{**asdict(test), "differs": test.differs} for test in self.tests],
        }


def verdict_of(evaluation: Evaluation) -> Verdict | None:
    """None where there is no query to judge by."""
    truths = [p.truth != ABSENT for p in evaluation.predictions.values()]
    if not truths:
        return None
    rows = np.logical_and.reduce(truths) & ~evaluation.near_duplicate
    if not rows.any():
        return None
    correct = {mode: p.correct[rows] for mode, p in evaluation.predictions.items()}
    p_values = _adjusted(correct)

    def against(mode: Mode, other: Mode) -> PairedTest:
        pair = frozenset((mode, other))
        return _paired(mode, correct[mode], other, correct[other], p_values[pair])

    best = max(correct, key=lambda mode: int(correct[mode].sum()))
    preferred = PREFERRED in correct and not (
        best != PREFERRED and against(PREFERRED, best).differs
    )
    chosen = PREFERRED if preferred else best
    tests = [against(mode, chosen) for mode in correct if mode != chosen]
    return Verdict(
        mode=chosen,
        queries=int(rows.sum()),
        accuracy=float(correct[chosen].mean()),
        tests=tuple(sorted(tests, key=lambda test: -test.difference.value)),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Probability of so uneven a split of the queries that one alone had right, or more so."""
    n, more = only_first + only_second, max(only_first, only_second)
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(more, n + 1))
    return min(1.0, 2 * tail / (1 << n))


def holm(p_values: Sequence[float]) -> list[float]:
    """The same, such that below a level there is one false alarm at most that often."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = least
    return adjusted


def _adjusted(correct: Mapping[Mode, Flags]) -> dict[frozenset[Mode], float]:
    pairs = list(combinations(correct, 2))
    raw = [mcnemar(*_split(correct[a], correct[b])) for a, b in pairs]
    return {frozenset(pair): p for pair, p in zip(pairs, holm(raw), strict=True)}


def _split(first: Flags, second: Flags) -> tuple[int, int]:
    return int((first & ~second).sum()), int((second & ~first).sum())


def _paired(mode: Mode, first: Flags, other: Mode, second: Flags, p_value: float) -> PairedTest:
    n, (this, that) = len(first), _split(first, second)
    # One query more for each: near none or all the plain interval would be too narrow.
    a, b = (this + 1) / (n + 2), (that + 1) / (n + 2)
    spread = Z_95 * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return PairedTest(
        mode=mode,
        against=other,
        only_this=this,
        only_other=that,
        difference=Interval((this - that) / n, a - b - spread, a - b + spread),
        p_value=p_value,
    )
