"""How far a retrain is: told by the work, heard by whoever waits for it.

The work is a row of steps. Each begins (`Steps.begin`) and says whenever one of its parts is done
(`Steps.did`): a way to train tried on a fold, say. How much of the whole a step is, is expected
before it begins (`Steps.expect`) from what there is to do; a step that ends early, or is left out,
is jumped over. So the share that is done never goes back, and is 1 only when everything is done.

    steps = Steps(tell)                       # tell(Standing(step="calibrating", share=0.71))
    steps.begin(Step.COMPARING, of=3 * 5, words="comparing 3 ways to train")
    for way in ways:
        for fold in folds:
            ...
            steps.did()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """The steps of a retrain in their order, in a curator's words."""

    READING = "reading the references"
    SPREADING = "learning how pictures of one class differ"
    COMPARING = "comparing ways to train"
    JUDGING = "checking the best way once more"
    CALIBRATING = "calibrating"
    REHEARSING = "rehearsing new classes"
    FITTING = "training on every reference"
    PUBLISHING = "publishing"


EXPECTED: Final[Mapping[Step, float]] = {
    Step.READING: 3,
    Step.SPREADING: 20,
    Step.COMPARING: 45,
    Step.JUDGING: 12,
    Step.CALIBRATING: 18,
    Step.REHEARSING: 9,
    Step.FITTING: 2,
    Step.PUBLISHING: 2,
}
"""Per cent of the time, until the size of the gallery is known (`head.work`)."""

TOO_EARLY = 0.05
"""Share of the whole before which nothing is said about the rest: it would be a guess."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands."""

    step: str
    """What is done now, in words."""
    share: float
    """Of the whole that is done, in [0, 1]."""


Tell = Callable[[Standing], None]


def _nobody(_: Standing) -> None:
    """Nobody waits."""


class Steps:
    """The steps of one run. Not for several threads."""

    def __init__(self, tell: Tell = _nobody) -> None:
        self._tell = tell
        self._share = 0.0
        self._words = ""
        self._from = self._to = 0.0
        self._done, self._of = 0, 1
        self._bounds = _bounds(EXPECTED)

    def expect(self, work: Mapping[Step, float]) -> None:
        """How much work the steps are, relative to each other; others are as in `EXPECTED`."""
        self._bounds = _bounds({**EXPECTED, **work})

    def begin(self, step: Step, *, of: int = 1, words: str | None = None) -> None:
        """A step begins; those before it are done.

        Args:
            step: which one.
            of: how many parts of about the same length it has.
            words: what to call it, where there is more to say than its name.
        """
        self._words = words or str(step)
        self._from, self._to = self._bounds[step]
        self._done, self._of = 0, max(of, 1)
        self._reach(self._from)

    def did(self, parts: int = 1) -> None:
        """So many more parts of the step are done."""
        self._done = min(self._done + parts, self._of)
        self.to(self._done / self._of)

    def to(self, share: float) -> None:
        """So much of the step is done, in [0, 1]."""
        self._reach(self._from + (self._to - self._from) * share)

    def pass_on(self, standing: Standing) -> None:
        """What another process says of the same run."""
        self._words = standing.step
        self._reach(standing.share)

    def finish(self) -> None:
        """Everything is done."""
        self._reach(1.0)

    def _reach(self, share: float) -> None:
        self._share = max(self._share, min(share, 1.0))
        self._tell(Standing(self._words, self._share))


def each_step(say: Callable[[str], None]) -> Tell:
    """Say the words of every step once, and no shares."""
    said: list[str] = []

    def tell(standing: Standing) -> None:
        if said[-1:] != [standing.step]:
            said.append(standing.step)
            say(standing.step)

    return tell


def seconds_left(share: float, elapsed_s: float) -> float | None:
    """If the rest goes as what is done; None while it is too early to say."""
    return elapsed_s * (1 - share) / share if share >= TOO_EARLY else None


def _bounds(work: Mapping[Step, float]) -> dict[Step, tuple[float, float]]:
    """Where in [0, 1] each step begins and ends."""
    total, at = sum(work.values()), 0.0
    found = {}
    for step in Step:
        end = at + work[step] / total
        found[step] = (at, end)
        at = end
    return found
