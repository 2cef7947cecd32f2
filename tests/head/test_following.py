"""Progress of a retrain on standard error: few lines, and never silence."""

from __future__ import annotations

import itertools

from head.following import IN_A_LOG_S, SILENT_S, Follower, progress_of
from head.steps import Standing


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Shown:
    """A follower on a clock of its own, and what it showed."""

    def __init__(self, *, silent_s: float = SILENT_S) -> None:
        self.clock = Clock()
        self.lines: list[tuple[float, Standing]] = []
        self.follower = Follower(self._show, silent_s=silent_s, clock=self.clock)

    def _show(self, standing: Standing, elapsed_s: float) -> None:
        self.lines.append((elapsed_s, standing))

    def wait(self, seconds: float, *, look_every: float = 0.1) -> None:
        """As the thread does: look, again and again."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now += look_every
            self.follower.look()


def test_follower__a_step_that_takes_long_is_not_silent() -> None:
    """Nothing is said for a minute: it is shown all the same, with the time that went by."""
    shown = Shown()
    shown.follower.tell(Standing("comparing", 0.2))
    shown.wait(60)
    times = [0.0, *(at for at, _ in shown.lines), 60.0]
    assert max(b - a for a, b in itertools.pairwise(times)) < 2
    assert SILENT_S < 2
    assert {standing.step for _, standing in shown.lines} == {"comparing"}


def test_follower__a_log_is_not_filled() -> None:
    """A step of a minute, part by part, is a dozen or two lines in a log."""
    shown = Shown(silent_s=IN_A_LOG_S)
    for second in range(60):
        shown.follower.tell(Standing("comparing", second / 100))
        shown.wait(1)
    assert 10 <= len(shown.lines) <= 25


def test_follower__silence_before_the_first_word() -> None:
    """A gallery that takes long to open says so."""
    shown = Shown()
    shown.wait(3)
    assert shown.lines[0][1] == Standing("opening the gallery", 0.0)


def test_follower__a_hundred_parts_are_few_lines() -> None:
    """Every new step is shown at once, what happens within now and then, the end always."""
    shown = Shown()
    for part in range(100):
        shown.clock.now += 0.01
        shown.follower.tell(Standing("comparing", part / 200))
    assert len(shown.lines) <= 2 / SILENT_S + 1
    shown.follower.tell(Standing("publishing", 0.98))
    shown.follower.tell(Standing("publishing", 1.0))
    assert [standing.share for _, standing in shown.lines[-2:]] == [0.98, 1.0]


def test_progress_of__percent_and_what_is_left() -> None:
    """The fields that machines read; the rest is not guessed from nothing."""
    assert progress_of(Standing("calibrating", 0.25), 10.04) == {
        "step": "calibrating",
        "percent": 25.0,
        "elapsed_s": 10.0,
        "eta_s": 30.1,
    }
    assert progress_of(Standing("starting", 0.0), 3.0)["eta_s"] is None
