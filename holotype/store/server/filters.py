"""`Where` in Qdrant's filter language."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client.http import models

from holotype.references import Where
from holotype.store.payload import CHANGED_AT


def to_filter(
    where: Where, *, changed_after: int | None = None, changed_until: int | None = None
) -> models.Filter | None:
    """The server's filter; None where everything matches.

    Values of one `=` key are alternatives. A reference without the key fails `=` and passes
    `!=`: Qdrant's `must_not` holds where the key is missing.

    Args:
        where: conditions whose keys are indexed (checked by the caller).
        changed_after: only references with a larger `changed_at`.
        changed_until: only references with no larger one.
    """
    must: list[models.Condition] = []
    must_not: list[models.Condition] = []
    for (key, op), values in where.by_key().items():
        (must if op == "=" else must_not).append(any_of(key, values))
    if changed_after is not None or changed_until is not None:
        between = models.Range(gt=changed_after, lte=changed_until)
        must.append(models.FieldCondition(key=CHANGED_AT, range=between))
    if not must and not must_not:
        return None
    return models.Filter(must=must or None, must_not=must_not or None)


def ids_filter(ids: Sequence[str], *, not_labelled: str | None = None) -> models.Filter:
    """Those of `ids` that are there, optionally only with another label."""
    return models.Filter(
        must=[models.HasIdCondition(has_id=list(ids))],
        must_not=None if not_labelled is None else [any_of("label", [not_labelled])],
    )


def without(
    matching: models.Filter | None, key: str, values: Sequence[str]
) -> models.Filter | None:
    """What matches, but for points whose `key` is one of these values."""
    if not values:
        return matching
    left_out = any_of(key, values)
    if matching is None:
        return models.Filter(must_not=[left_out])
    before = matching.must_not
    others = before if isinstance(before, list) else [] if before is None else [before]
    return matching.model_copy(update={"must_not": [*others, left_out]})


def equals(**values: str) -> models.Filter:
    """Points whose payload has all of these values."""
    return models.Filter(must=[any_of(key, [value]) for key, value in values.items()])


def any_of(key: str, values: Sequence[str]) -> models.FieldCondition:
    """Points whose `key` is one of these values."""
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
