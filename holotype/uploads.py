"""How pictures and vectors are cut into requests: within the service's limits, few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from holotype.client import ServiceLimits

PARALLEL = 4
"""Requests under way: while one is answered, others are sent; more would only queue there."""

IMAGES_PER_REQUEST = 16
"""Enough for a batch of the encoder, few enough for a progress bar that moves."""

BYTES_PER_REQUEST = 16 << 20
"""Memory of a client: `PARALLEL` times this, twice while a form is made of it."""

BYTES_PER_NUMBER = 25
"""A float32 as JSON with a comma, exact, at most: `-1.2345678901234567e-05,`."""

OVERHEAD = 16 << 10
"""Bytes of a form around one picture and what is said of it, generously."""


class Sized(Protocol):
    """Something to upload."""

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        ...


T = TypeVar("T", bound=Sized)
R = TypeVar("R")


def fits(data: bytes, limits: ServiceLimits) -> bool:
    """Whether a request may hold this picture, alone."""
    return len(data) + OVERHEAD <= limits.body_bytes


def too_large(data: bytes, limits: ServiceLimits) -> str:
    """Why a picture is not sent, for people."""
    return (
        f"too large for the service: {len(data) / 2**20:.1f} MiB, it takes "
        f"{limits.body_bytes >> 20} MiB (its setting: HOLOTYPE_MAX_BODY_MB)"
    )


def requests(items: Iterable[T], limits: ServiceLimits) -> Iterator[list[T]]:
    """The same pictures in the same order, cut into requests; each of them `fits`."""
    most_images = min(IMAGES_PER_REQUEST, limits.images)
    most_bytes = min(BYTES_PER_REQUEST, limits.body_bytes)
    request: list[T] = []
    size = 0
    for item in items:
        more = len(item.data) + OVERHEAD
        if request and (len(request) == most_images or size + more > most_bytes):
            yield request
            request, size = [], 0
        request.append(item)
        size += more
    if request:
        yield request


def json_requests(
    items: Iterable[R], limits: ServiceLimits, *, size: Callable[[R], int]
) -> Iterator[list[R]]:
    """The same vectors in the same order, cut into requests of JSON.

    Args:
        items: vectors, or records with one.
        limits: of the service.
        size: bytes of one as JSON, at most.
    """
    most_bytes = min(BYTES_PER_REQUEST, limits.vectors_bytes) - OVERHEAD
    request: list[R] = []
    held = 0
    for item in items:
        more = size(item)
        if request and (len(request) == limits.images or held + more > most_bytes):
            yield request
            request, held = [], 0
        request.append(item)
        held += more
    if request:
        yield request
