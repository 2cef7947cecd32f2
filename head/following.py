"""How far a retrain is, shown on standard error while it runs.

A bar on a terminal; for machines a line of JSON, `{"progress": {"step", "percent", "elapsed_s",
"eta_s"}}`, never longer than `SILENT_S` without one; into a log a line for every step, and every
few seconds within one, as `ingest add` does.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from head.steps import Standing, Tell, seconds_left
from holotype import console

SILENT_S = 1.0
"""The longest time between two lines. 2 s are promised, and beside ten other runs for each core
the thread that looks was late by most of a second."""

IN_A_LOG_S = 5.0
"""The same where neither a person nor a program waits for the next line."""

Show = Callable[[Standing, float], None]
"""Given where the job stands, and the seconds since it began."""


class Follower:
    """Hears of every part that is done, and shows some of them."""

    def __init__(
        self,
        show: Show,
        *,
        silent_s: float = SILENT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._show, self._silent_s, self._clock = show, silent_s, clock
        self._began = self._shown_at = clock()
        self._standing = Standing("opening the gallery", 0.0)
        self._guard = threading.Lock()

    def tell(self, standing: Standing) -> None:
        """What the job says."""
        with self._guard:
            new = standing.step != self._standing.step or standing.share == 1.0
            self._standing = standing
            if new or self._clock() - self._shown_at >= self._silent_s / 2:
                self._show_now()

    def look(self) -> None:
        """Show how it stands if nothing was shown for `silent_s`."""
        with self._guard:
            if self._clock() - self._shown_at >= self._silent_s:
                self._show_now()

    def keep_looking(self, ended: threading.Event) -> None:
        """On a timer, until the job has ended."""
        while not ended.wait(SILENT_S / 10):
            self.look()

    def _show_now(self) -> None:
        self._shown_at = self._clock()
        self._show(self._standing, self._shown_at - self._began)


@contextmanager
def following(*, as_json: bool) -> Iterator[Tell]:
    """Show what is told until the block ends."""
    if not as_json and sys.stderr.isatty():
        with _bar() as tell:
            yield tell
        return
    follower = Follower(_event) if as_json else Follower(_line, silent_s=IN_A_LOG_S)
    ended = threading.Event()
    looking = threading.Thread(target=follower.keep_looking, args=(ended,), daemon=True)
    looking.start()
    try:
        yield follower.tell
    finally:
        ended.set()
        looking.join()  # nothing comes after the result


def progress_of(standing: Standing, elapsed_s: float) -> dict[str, Any]:
    """JSON form; `eta_s` is null while it is too early to say."""
    left = seconds_left(standing.share, elapsed_s)
    return {
        "step": standing.step,
        "percent": round(100 * standing.share, 1),
        "elapsed_s": round(elapsed_s, 1),
        "eta_s": None if left is None else round(left, 1),
    }


def _event(standing: Standing, elapsed_s: float) -> None:
    console.say_json({"progress": progress_of(standing, elapsed_s)})


def _line(standing: Standing, elapsed_s: float) -> None:
    left = seconds_left(standing.share, elapsed_s)
    rest = "" if left is None else f", {left:.0f} s left"
    console.say(f"{standing.step}: {100 * standing.share:.0f} %, {elapsed_s:.0f} s{rest}")


@contextmanager
def _bar() -> Iterator[Tell]:
    """It is drawn again ten times a second by itself, and gone when the block ends."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Left(ProgressColumn):
        """Time since the start, and the rest."""

        def render(self, task: Task) -> Text:
            elapsed = task.elapsed or 0.0
            left = seconds_left(task.completed, elapsed)
            return Text(f"{elapsed:.0f} s" + ("" if left is None else f", {left:.0f} s left"))

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        Left(),
        console=Console(stderr=True),
        redirect_stdout=False,  # data would be drawn on standard error
        transient=True,
    )
    with bar:
        task = bar.add_task("opening the gallery", total=1.0)
        yield lambda now: bar.update(task, description=now.step, completed=now.share)
