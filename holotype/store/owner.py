"""Who owns the embedded store right now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Owner:
        """Inverse of `to_dict`; keys of a newer format are ignored."""
        return cls(
            pid=int(data["pid"]),
            host=str(data["host"]),
            command=str(data["command"]),
            since=str(data["since"]),
            url=data.get("url"),
        )
