"""`Retry-After`, as servers and the proxies before them write it (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 3600.0
"""Nobody is waited for longer than an hour, whatever he asks for; NaN becomes 0."""


def retry_after_s(text: str | None, *, default: float) -> float:
    """How long to wait before asking again, seconds.

    Args:
        text: of the header: seconds, or the date at which to come back.
        default: where there is no header, or nothing that can be read.
    """
    if text is None:
        return default
    try:
        return max(0.0, min(float(text), LONGEST_S))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return default
    left = date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)
    return max(0.0, min(left.total_seconds(), LONGEST_S))
