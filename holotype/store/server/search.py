"""How a search is asked: for how many points, exactly or not, and how many queries at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from holotype.store.known_counts import KnownCounts

EXACT_UP_TO: Final = 100_000
"""Up to here a query is compared with every reference, as on the embedded store; beyond, the
server decides and uses its index (recall@20 of 0.984 was measured at 100,000 x 384)."""

SPARE: Final = 10_000
"""References that may have come since they were counted."""

SIZE_IS_FRESH_S: Final = 10.0
"""How long a count serves to choose between the two."""

QUERIES_PER_CALL: Final = 64
ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Of one search answer, estimated; fewer queries are asked at once where k is large."""
_PAYLOAD_BYTES: Final = 1024
_BYTES_PER_COMPONENT: Final = 24


@dataclass(slots=True)
class Size:
    """How many points there were when they were counted last."""

    points: int = 0
    counted_at: float = float("-inf")
    """Monotonic seconds."""

    def read(self, known: KnownCounts, count: Callable[[], int], *, at_least: int) -> int | None:
        """Number of points; None where it is not known.

        Where classes are known, so is their number. Else it is what was counted lately, and
        counted now where that is below `at_least`.
        """
        if known.asked:
            return known.total
        if self.points < at_least or time.monotonic() - self.counted_at > SIZE_IS_FRESH_S:
            self.points, self.counted_at = count(), time.monotonic()
        return self.points


def queries_per_call(limit: int, dimension: int, *, with_vectors: bool) -> int:
    """How many queries one call asks, so that its answer is bounded."""
    per_point = _PAYLOAD_BYTES + (dimension * _BYTES_PER_COMPONENT if with_vectors else 0)
    return min(QUERIES_PER_CALL, max(1, ANSWER_BYTES // (limit * per_point)))
