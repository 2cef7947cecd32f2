"""How the stages of a pipeline run at the same time, within bounds.

Stages take and give generators, so that a pipeline reads from top to bottom like a plain
loop. An error in a stage is raised where its items would have come out, and closing the
last generator closes every stage in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Final, TypeVar, cast

T = TypeVar("T")

_END: Final = object()


def background(
    items: Generator[T, None, None], *, ahead: int, name: str
) -> Generator[T, None, None]:
    """Produce `items` in a thread of their own, at most `ahead` of who takes them.

    Args:
        items: touched by that thread only, its closing included.
        ahead: items that may be ready or under way, at least 1.
        name: of the thread, for debuggers.
    """
    with closing(_ready(items, ahead=lambda: ahead, at_most=lambda: 1, name=name)) as singles:
        for [item] in singles:
            yield item


def gathered(
    items: Generator[T, None, None], *, at_most: Callable[[], int], name: str
) -> Generator[list[T], None, None]:
    """Like `background`, but give all that is ready at once: 1 to `at_most()` items.

    A stage that pays per call (a flush) so takes larger pieces the further it falls behind.
    As many may be ready or under way; `at_most` is asked again each time.
    """
    return _ready(items, ahead=at_most, at_most=at_most, name=name)


def _ready(
    items: Generator[T, None, None],
    *,
    ahead: Callable[[], int],
    at_most: Callable[[], int],
    name: str,
) -> Generator[list[T], None, None]:
    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        coming: deque[Future[object]] = deque()

        def go_on() -> None:
            while len(coming) < ahead():
                coming.append(thread.submit(next, items, _END))

        try:
            while True:
                go_on()
                ready = [coming.popleft().result()]
                while coming and coming[0].done() and len(ready) < at_most():
                    ready.append(coming.popleft().result())
                go_on()
                found = [cast("T", item) for item in ready if item is not _END]
                if found:
                    yield found
                if len(found) < len(ready):
                    return
        finally:
            for future in coming:
                future.cancel()
            thread.submit(items.close).result()
