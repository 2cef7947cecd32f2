"""Calls to a Qdrant server: tried again where that is safe, and translated where they fail.

Every call of this package may be repeated:

- reads, because they change nothing;
- additions, because the id, the vector and the payload (`changed_at` included) are fixed
  before the first try, so a second upsert writes the same point again;
- label changes and removals, for the same reason (how many there were is counted before);
- creating collections, aliases and indexes: finding them there is success;
- taking a lease: the condition lets its own holder through;
- moving the active head: the last writer wins. A repeated write could undo a move that
  another process made between the tries, which is why retrains hold a lease.

A repeat may overwrite what another client wrote to the same reference in the seconds
between the tries; the server offers no compare-and-set that would be worth its price here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import stamina
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from holotype.errors import StoreError, StoreUnavailable
from holotype.store.server.errors import CLIENT_ERRORS, Context, Passing, translate

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a call is repeated. Times are seconds."""

    attempts: int = 7
    """Tries in all. With the waits below this outlasts a restart of the server (6 to 10 s)."""
    wait_initial: float = 0.2
    """Pause before the second try; doubled each time."""
    wait_max: float = 4.0
    wait_jitter: float = 0.5
    """Random part of a pause, so that many clients do not return at once."""
    total: float = 120.0
    """No further try starts after this, whatever `attempts` says."""

    def with_time_for(self, timeout: float) -> RetryPolicy:
        """The same, but patient enough for three tries that time out."""
        return replace(self, total=max(self.total, 3 * timeout))


FIRST_CONTACT = RetryPolicy(attempts=3, total=60.0)
"""Opening a store: a wrong address should be told soon, not after a server's restart."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes the calls of one store."""

    url: str
    gallery: str
    policy: RetryPolicy = RetryPolicy()

    def __call__(self, doing: str, call: Callable[[], T]) -> T:
        """Run `call`, again where its failure may pass; it must be safe to repeat.

        Args:
            doing: what the call does, for messages: `adding 32 references`.
            call: takes nothing, returns the client's answer.

        Raises:
            StoreUnavailable: it kept failing, or the server refuses us.
            StoreError: the server refuses the request itself.
        """
        context = Context(self.url, self.gallery, doing)
        failures: list[Passing] = []
        try:
            for attempt in stamina.retry_context(
                on=_pause,
                attempts=self.policy.attempts,
                timeout=self.policy.total,
                wait_initial=self.policy.wait_initial,
                wait_max=self.policy.wait_max,
                wait_jitter=self.policy.wait_jitter,
            ):
                with attempt:
                    if failures:
                        _log.warning("%s; trying again (try %d)", failures[-1], attempt.num)
                    return _translated(call, context, failures)
        except Passing as error:
            raise StoreUnavailable(
                f"{error}. Tried {len(failures)} times. Is the server running, and is "
                "HOLOTYPE_QDRANT_URL right?"
            ) from error
        raise AssertionError("stamina makes at least one attempt")

    def translated(self, error: Exception, doing: str) -> StoreError:
        """One failure of the client as an error of ours."""
        return translate(error, Context(self.url, self.gallery, doing))


def keep_stdout_clean() -> None:
    """Take stamina's own log hook out: `Calls` logs each repetition itself, on standard error.

    Where structlog happens to be installed and is not configured, the hook prints on standard
    output, which is for data. Other hooks (the Prometheus counter, those of a host) stay.
    """
    hooks = get_on_retry_hooks()
    kept = [hook for hook in hooks if getattr(hook, "__module__", "") not in _LOG_HOOKS]
    if len(kept) < len(hooks):
        set_on_retry_hooks(kept)


_LOG_HOOKS = {"stamina.instrumentation._structlog", "stamina.instrumentation._logging"}


def _pause(error: Exception) -> bool | float:
    """Whether to try again, and where the server said so, after how many seconds."""
    if not isinstance(error, Passing):
        return False
    return True if error.retry_after is None else error.retry_after


def _translated(call: Callable[[], T], context: Context, failures: list[Passing]) -> T:
    try:
        return call()
    except CLIENT_ERRORS as error:
        translated = translate(error, context)
        if isinstance(translated, Passing):
            failures.append(translated)
        raise translated from error
