"""Failures on purpose, between a client and the HTTP app of `qdrant_http`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What goes wrong with one request."""

    REFUSED = "refused"
    """The server is gone: it drops this request undone and refuses connections until
    `QdrantHttp.listen` is called (or `reopen_after_s` seconds have passed)."""
    DROPPED = "dropped"
    """The connection closes before anything is done."""
    LOST_ANSWER = "lost answer"
    """It is done, then the connection closes without an answer."""
    TIMEOUT = "timeout"
    """Nothing is done and nothing answered until the client gives up."""
    LATE_ANSWER = "late answer"
    """It is done, but nothing is answered until the client gives up."""
    ERROR_500 = "500"
    UNAVAILABLE_503 = "503"
    TOO_MANY_429 = "429"
    """Nothing is done; asks for a pause of 0 seconds."""
    BAD_REQUEST_400 = "400"
    COME_BACK_AT = "429 until a date"
    """Nothing is done; asks for a pause as proxies do, until a moment that has passed."""
    NULL = "null"
    """Nothing is done; a 200 answer without a result."""
    NOT_JSON = "not json"
    """Nothing is done; a 200 answer that is a web page."""


STATUS_OF = {
    Fault.ERROR_500: 500,
    Fault.UNAVAILABLE_503: 503,
    Fault.TOO_MANY_429: 429,
    Fault.COME_BACK_AT: 429,
    Fault.BAD_REQUEST_400: 400,
}

PASSING = (
    Fault.DROPPED,
    Fault.LOST_ANSWER,
    Fault.TIMEOUT,
    Fault.LATE_ANSWER,
    Fault.ERROR_500,
    Fault.UNAVAILABLE_503,
    Fault.TOO_MANY_429,
    Fault.COME_BACK_AT,
)
"""Faults that go away without anyone's help, and that a client should outlast."""


@dataclass
class _Planned:
    fault: Fault
    operation: str
    skip: int
    times: int
    reopen_after_s: float | None


@dataclass
class Faults:
    """Faults waiting for their requests. Safe to use while requests are running."""

    _planned: list[_Planned] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    happened: list[tuple[Fault, str]] = field(default_factory=list)
    """Each fault that struck, with the operation it struck."""

    def add(
        self,
        fault: Fault,
        *,
        on: str,
        times: int = 1,
        skip: int = 0,
        reopen_after_s: float | None = None,
    ) -> None:
        """Let a fault strike.

        Args:
            fault: what happens.
            on: the operation it waits for, a name of `qdrant_http.ROUTES`; `*` is any.
            times: how many of these requests it strikes.
            skip: how many of them it lets through first.
            reopen_after_s: for REFUSED: seconds until connections are taken again.
        """
        with self._guard:
            self._planned.append(_Planned(fault, on, skip, times, reopen_after_s))

    def clear(self) -> None:
        """Let nothing more happen."""
        with self._guard:
            self._planned.clear()

    def take(self, operation: str) -> tuple[Fault, float | None] | None:
        """The fault that strikes this request, and its `reopen_after_s`."""
        with self._guard:
            for planned in self._planned:
                if planned.operation not in (operation, "*") or planned.times == 0:
                    continue
                if planned.skip > 0:
                    planned.skip -= 1
                    return None
                planned.times -= 1
                self.happened.append((planned.fault, operation))
                return planned.fault, planned.reopen_after_s
        return None
