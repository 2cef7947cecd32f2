"""References and heads as payloads."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holotype.heads import ActiveHead, HeadRecord, Lease
from holotype.references import EmbeddedReference, Reference, reference_id
from holotype.store import head_payload
from holotype.store.payload import from_payload, meta_keys, thumbnail_of, to_payload
from tests.references import Pictures

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
REFERENCES = st.builds(
    lambda sha256, **facts: Reference(id=reference_id(sha256), sha256=sha256, **facts),
    SHA256,
    label=TEXT,
    source=TEXT,
    width=st.integers(1, 2**31),
    height=st.integers(1, 2**31),
    added_at=st.just("2026-11-01T12:00:00+00:00"),
    group=st.none() | TEXT,
    meta=st.dictionaries(st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z"), st.text()),
)


@given(reference=REFERENCES, thumbnail=st.none() | st.binary(), changed_at=st.integers(0, 2**53))
def test_payload__round_trip(
    reference: Reference, thumbnail: bytes | None, changed_at: int
) -> None:
    """Any reference comes back from its payload, also after a trip through JSON."""
    item = EmbeddedReference(reference, np.ones(1, np.float32), thumbnail)

    payload = json.loads(json.dumps(to_payload(item, changed_at=changed_at)))

    assert from_payload(reference.id, payload) == replace(reference, changed_at=changed_at)
    assert thumbnail_of(payload) == thumbnail


def test_payload__absent_facts_left_out(pictures: Pictures) -> None:
    """What a reference has not is no key of its payload, so that filters see it missing."""
    payload = to_payload(pictures.embedded("p", "wasp"), changed_at=1)

    assert not {"group", "meta", "thumbnail"} & set(payload)


def test_meta_keys__of_all(pictures: Pictures) -> None:
    """The filter keys of several references are those of any."""
    items = [pictures.embedded("p", "x", meta={"a": "1"}), pictures.embedded("q", "x")]

    assert meta_keys(items) == {"meta.a"}


def test_head_points__round_trip() -> None:
    """Records, pointers and leases come back from their payloads through JSON."""
    record = HeadRecord("v1", "2026-11-01", "held", ("a", "b"), {"x": [1, None]}, {"weights": 2})
    active, lease = ActiveHead("v2", ("v0", "v1")), Lease("retrain", "me", 1793880000.123456)

    def through_json(payload: dict[str, object]) -> dict[str, object]:
        again: dict[str, object] = json.loads(json.dumps(payload))
        return again

    assert head_payload.record_from(through_json(head_payload.record_payload(record))) == record
    assert head_payload.active_from(through_json(head_payload.active_payload(active))) == active
    assert head_payload.lease_from(through_json(head_payload.lease_payload(lease))) == lease


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("row", "v1", "a", 11), ("row", "v11", "a", 1)),
        (("row", "v", "a b", 1), ("row", "v", "a", 1)),
        (("head", "v1"), ("lease", "v1")),
    ],
)
def test_point_id__distinct(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Different things have different ids, the same thing always the same."""
    assert head_payload.point_id(*one) != head_payload.point_id(*other)
    assert head_payload.point_id(*one) == head_payload.point_id(*one)
