"""Who owns the embedded store right now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The record that an owner leaves beside its lock."""

    pid: int
    host: str
    command: str
    """What it is doing, for people: `ingest add`, `classify serve`."""
    since: str
    """ISO 8601, UTC."""
    url: str | None = None
    """Where it serves, if it is a service: other commands then talk to it."""
