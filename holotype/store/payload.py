"""A reference as a Qdrant payload, the same in both engines.

Keys: `label`, `sha256`, `source`, `group`, `width`, `height`, `added_at`, `changed_at`,
`meta` (an object of strings), `dismissed` and `thumbnail` (a JPEG in base64). `group`, `meta`,
`dismissed` and `thumbnail` are left out, or null, where a reference has none.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from holotype.references import BUILT_IN_KEYS, EmbeddedReference, Reference

CHANGED_AT = "changed_at"
"""Indexed as an integer: `state()` orders by it, `count(changed_after=)` ranges over it."""

KEYWORD_KEYS = BUILT_IN_KEYS
"""Indexed as keywords from the creation of a gallery; `meta.*` keys join at first use."""

THUMBNAIL = "thumbnail"
"""Never part of a search, a listing or an export: it is most of a payload's bytes."""

EXPORTED_KEYS = ("label", "group")
"""All of the payload that an export reads."""

DISMISSED = "dismissed"
"""A mark; not indexed."""

VOTING_KEYS = ("label",)
"""All of the payload that a search reads."""


def to_payload(item: EmbeddedReference, *, changed_at: int) -> dict[str, Any]:
    """Payload of a reference that is about to be stored.

    Args:
        item: the reference, validated.
        changed_at: microseconds since the epoch; what the reference says of it is ignored.
    """
    reference = item.reference
    payload: dict[str, Any] = {
        "label": reference.label,
        "sha256": reference.sha256,
        "source": reference.source,
        "width": reference.width,
        "height": reference.height,
        "added_at": reference.added_at,
        CHANGED_AT: changed_at,
    }
    if reference.group is not None:
        payload["group"] = reference.group
    if reference.meta:
        payload["meta"] = dict(reference.meta)
    if reference.dismissed is not None:
        payload[DISMISSED] = reference.dismissed
    if item.thumbnail is not None:
        payload[THUMBNAIL] = base64.b64encode(item.thumbnail).decode("ascii")
    return payload


def from_payload(point_id: str, payload: Mapping[str, Any]) -> Reference:
    """The reference that `to_payload` made this payload of, with its `changed_at`."""
    return Reference(
        id=point_id,
        label=payload["label"],
        sha256=payload["sha256"],
        source=payload["source"],
        width=payload["width"],
        height=payload["height"],
        added_at=payload["added_at"],
        changed_at=payload[CHANGED_AT],
        group=payload.get("group"),
        meta=payload.get("meta", {}),
        dismissed=payload.get(DISMISSED),
    )


def thumbnail_of(payload: Mapping[str, Any]) -> bytes | None:
    """The JPEG in this payload; None where it has none."""
    encoded = payload.get(THUMBNAIL)
    return None if encoded is None else base64.b64decode(encoded)


def meta_keys(items: list[EmbeddedReference]) -> set[str]:
    """Filter keys (`meta.<name>`) that these references carry."""
    return {f"meta.{name}" for item in items for name in item.reference.meta}
