"""Records of the store's port as JSON objects, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from holotype.heads import ActiveHead, HeadRecord
from holotype.store.port import GalleryState


def record_to(record: HeadRecord) -> dict[str, Any]:
    """A head record as JSON."""
    return asdict(record)


def record_from(data: Mapping[str, Any]) -> HeadRecord:
    """Inverse of `record_to`."""
    return HeadRecord(**{**data, "labels": tuple(data["labels"])})


def active_to(active: ActiveHead | None) -> dict[str, Any] | None:
    """The pointer as JSON."""
    return None if active is None else asdict(active)


def active_from(data: Mapping[str, Any] | None) -> ActiveHead | None:
    """Inverse of `active_to`."""
    return None if data is None else ActiveHead(**{**data, "history": tuple(data["history"])})


def state_to(state: GalleryState) -> dict[str, Any]:
    """The state as JSON."""
    return {"counts": dict(state.counts), "last_change": state.last_change}


def state_from(data: Mapping[str, Any]) -> GalleryState:
    """Inverse of `state_to`."""
    return GalleryState(counts=data["counts"], last_change=data["last_change"])
