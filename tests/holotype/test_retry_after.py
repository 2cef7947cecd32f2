"""`Retry-After` in both of its forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from holotype.retry_after import LONGEST_S, retry_after_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 2.5),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("1e9", LONGEST_S),
        ("inf", LONGEST_S),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_S),
        ("soon", 2.5),
        ("", 2.5),
    ],
)
def test_retry_after__seconds_dates_and_nonsense(text: str | None, seconds: float) -> None:
    """A wait that can be waited, always."""
    assert retry_after_s(text, default=2.5) == seconds


def test_retry_after__a_date_to_come() -> None:
    """Counted from now."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 0 < retry_after_s(date, default=1) <= 100


def test_retry_after__no_number_at_all() -> None:
    """NaN compares with nothing, and is no pause."""
    assert retry_after_s("nan", default=1) == 0
