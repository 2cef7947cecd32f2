"""References, neighbours and the filters that select them. No torch, no qdrant."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from holotype.characters import path_spellings, spellings, uniform
from holotype.errors import UsageError

Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
"""Classes, groups or rows as numbers."""

REFERENCE_NAMESPACE = uuid.UUID("5f0a4c3e-6d0b-5b7e-9f43-0d6a6f0c7a11")
"""Namespace of reference ids: UUIDv5(REFERENCE_NAMESPACE, hex sha256 of the file's bytes)."""

BUILT_IN_KEYS = ("label", "group", "source")
"""Payload keys, besides `meta.*`, that are indexed and can be filtered by."""

META_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a metadata key may look like: it becomes part of a payload path."""

MAX_META_KEYS = 64
"""Metadata keys of a gallery, unless set otherwise: each is an index of its own, which takes the
embedded engine 10 files and up to .4 s to make."""


def reference_id(sha256: str) -> str:
    """Id of the picture whose bytes have this hex sha256: same bytes, same reference."""
    # `str(uuid.uuid5(REFERENCE_NAMESPACE, sha256))` in a third of its time (RFC 9562, 5.5).
    name = REFERENCE_NAMESPACE.bytes + sha256.encode()
    parts = bytearray(hashlib.sha1(name, usedforsecurity=False).digest()[:16])
    parts[6] = parts[6] & 0x0F | 0x50  # version 5
    parts[8] = parts[8] & 0x3F | 0x80  # the variant
    digits = parts.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def meta_key(text: str) -> str:
    """A metadata key in its one spelling: `meta.` is optional, white space becomes `_`.

    Raises:
        UsageError: it is not up to 64 letters, digits, '_' and '-' then.
    """
    key = uniform(text).removeprefix("meta.").replace(" ", "_")
    if not META_KEY.fullmatch(key):
        raise UsageError(
            f"metadata key {text!r} is malformed: up to 64 letters (without accents), digits, "
            "'_' and '-' are allowed"
        )
    return key


def too_many_keys(keys: Collection[str], limit: int) -> str:
    """What is wrong with metadata keys that a gallery has no room for, and what to do."""
    names = ", ".join(repr(key) for key in sorted(keys)[:5])
    more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
    return (
        f"a gallery may have {limit} metadata keys (HOLOTYPE_MAX_META_KEYS), since each is an "
        f"index: there is no room for {names}{more}. Leave out what nobody filters by"
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """A labelled image in the gallery, without its vector."""

    id: str
    """UUID, from `reference_id`."""
    label: str
    sha256: str
    """Hex sha256 of the file's bytes; without a file, see `holotype.intake.vectors`."""
    source: str
    """Where the picture came from: a path or a URL, for people; never read again."""
    width: int
    """Pixels, after EXIF orientation; width and height are 0 where there is no picture."""
    height: int
    added_at: str
    """ISO 8601, UTC."""
    changed_at: int = 0
    """Microseconds since the epoch, UTC: the last change of this reference, set by the store."""
    group: str | None = None
    """References of one group are not independent (same specimen, burst, slide)."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """User metadata; values are strings."""
    dismissed: str | None = None
    """The evidence against its label that a person has seen and overruled (`VectorStore.dismiss`);
    another label, or adding it again, clears it."""

    @property
    def is_vector(self) -> bool:
        """Whether its vector came from elsewhere: there is no file, and no picture."""
        return self.width == self.height == 0

    def with_label(self, label: str) -> Reference:
        """The same reference under another label."""
        return replace(self, label=label)


@dataclass(frozen=True, slots=True)
class EmbeddedReference:
    """A reference on its way into the store."""

    reference: Reference
    vector: Vectors
    """(D,) float32, unit length."""
    thumbnail: bytes | None = None
    """A small JPEG; stored in the payload, not indexed, never exported."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A reference returned for a query: what a vote takes of it.

    `VectorStore.get` has the rest, for the few that are shown.
    """

    id: str
    label: str
    similarity: float
    """Cosine in [-1, 1]."""
    vector: Vectors | None = None
    """(D,) float32, unit length, where it was asked for."""


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """A page of an export. Row i of every array belongs to `ids[i]`."""

    ids: list[str]
    labels: list[str]
    groups: list[str | None]
    vectors: Vectors
    """(N, D) float32, unit rows."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter condition: `key = value` or `key != value`.

    `key` is `label`, `group`, `source` or `meta.<name>`.
    """

    key: str
    op: Literal["=", "!="]
    value: str


@dataclass(frozen=True, slots=True)
class Where:
    """A filter. Conditions on different keys must all hold.

    Several `=` on one key mean any of these values (all of them could never hold);
    several `!=` on one key mean none of these values. A reference that lacks the key
    fails `=` and passes `!=`.
    """

    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def by_key(self) -> dict[tuple[str, Literal["=", "!="]], list[str]]:
        """Values grouped by (key, op), in the order in which they were given.

        No contradiction is left, because engines do not agree on what one selects. A reference
        has one value of a key, so `=` and `!=` on one key are those `=` values that are not
        excluded; where that leaves no value, nothing matches.
        """
        grouped: dict[tuple[str, Literal["=", "!="]], list[str]] = {}
        for c in self.conditions:
            grouped.setdefault((c.key, c.op), []).append(c.value)
        for key in [key for key, op in grouped if op == "=" and (key, "!=") in grouped]:
            excluded = grouped.pop((key, "!="))
            grouped[key, "="] = [value for value in grouped[key, "="] if value not in excluded]
        return grouped

    def admits(self, key: str, value: str) -> bool:
        """Whether the conditions on this key alone let the value pass."""
        grouped = self.by_key()
        wanted, unwanted = grouped.get((key, "=")), grouped.get((key, "!="), [])
        return (wanted is None or value in wanted) and value not in unwanted

    def excluding(self, key: str, value: str) -> Where:
        """The same, without the references whose `key` is `value`."""
        return Where((*self.conditions, Condition(key, "!=", value)))

    def only(self, key: str, value: str) -> Where:
        """The same with `key` being `value`, whatever it said of that key."""
        others = (one for one in self.conditions if one.key != key)
        return Where((*others, Condition(key, "=", value)))

    def expressions(self) -> list[str]:
        """Inverse of `parse`."""
        return [f"{c.key}{c.op}{c.value}" for c in self.conditions]

    @classmethod
    def equal(cls, key: str, *values: str) -> Where:
        """References whose `key` is one of `values`."""
        return cls(tuple(Condition(key, "=", value) for value in values))

    @classmethod
    def parse(cls, expressions: Sequence[str]) -> Where:
        """Read `key=value` and `key!=value`.

        A bare key that is not built in means `meta.<key>`. A value is looked for in its one
        spelling, and in those that earlier versions stored.

        Raises:
            UsageError: an expression has no operator, no key, or a malformed key.
        """
        found = (condition for text in expressions for condition in _parse_conditions(text))
        return cls(tuple(dict.fromkeys(found)))

    def among(self, labels: Collection[str]) -> Where:
        """The same filter in a gallery that has these labels.

        Earlier versions may have stored a label in another spelling, which `parse` cannot guess:
        a filter that leaves such a class out must leave it out.
        """
        if all(condition.key != "label" for condition in self.conditions):
            return self
        spelled = defaultdict(list)
        for label in labels:
            spelled[uniform(label)].append(label)
        found: dict[Condition, None] = {}
        for one in self.conditions:
            more = spelled.get(uniform(one.value), ()) if one.key == "label" else ()
            found |= dict.fromkeys((one, *(replace(one, value=label) for label in more)))
        return Where(tuple(found))


EVERYTHING = Where()


def _parse_conditions(text: str) -> list[Condition]:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"filter {text!r} holds half of a character, which no text does") from None
    key, equals, value = text.partition("=")
    op: Literal["=", "!="] = "!=" if key.endswith("!") else "="
    key = uniform(key.removesuffix("!"))
    if not equals or not key:
        raise UsageError(f"cannot read filter {text!r}: write key=value or key!=value")
    name = key if key in BUILT_IN_KEYS else f"meta.{meta_key(key)}"
    spelled = path_spellings(value) if name == "source" else spellings(value)
    return [Condition(name, op, spelling) for spelling in spelled]
