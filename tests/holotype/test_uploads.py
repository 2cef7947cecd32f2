"""Pictures are cut into requests within the service's limits, in order."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from holotype.client import ServiceLimits
from holotype.uploads import (
    BYTES_PER_REQUEST,
    IMAGES_PER_REQUEST,
    OVERHEAD,
    fits,
    requests,
    too_large,
)


@dataclass(frozen=True)
class Item:
    """Something to upload."""

    data: bytes


LIMITS = ServiceLimits(images=5, body_bytes=10 * OVERHEAD)


@given(st.lists(st.integers(0, 9 * OVERHEAD), max_size=40))
def test_requests__order_and_bounds(sizes: list[int]) -> None:
    """Nothing is lost or reordered, and no request exceeds a limit."""
    items = [Item(bytes(size)) for size in sizes]
    cut = list(requests(items, LIMITS))
    assert [item for request in cut for item in request] == items
    assert all(1 <= len(request) <= LIMITS.images for request in cut)
    for request in cut:
        assert sum(len(i.data) + OVERHEAD for i in request) <= LIMITS.body_bytes


def test_requests__own_bounds_under_a_generous_service() -> None:
    """A client's memory is bounded, whatever the service would take."""
    generous = ServiceLimits(images=1000, body_bytes=1 << 40)
    many = list(requests([Item(b"x")] * (IMAGES_PER_REQUEST + 1), generous))
    assert [len(request) for request in many] == [IMAGES_PER_REQUEST, 1]
    large = Item(bytes(BYTES_PER_REQUEST // 2 + 1))
    assert [len(r) for r in requests([large, large, large], generous)] == [1, 1, 1]


def test_fits__says_why_not() -> None:
    """The reason names the sizes and the setting."""
    assert fits(bytes(9 * OVERHEAD), LIMITS)
    assert not fits(bytes(10 * OVERHEAD), LIMITS)
    limits = ServiceLimits(images=5, body_bytes=64 << 20)
    assert too_large(bytes(3 << 20), limits).startswith(
        "too large for the service: 3.0 MiB, it takes 64 MiB"
    )
