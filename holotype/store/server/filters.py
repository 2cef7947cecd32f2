"""Which points, in Qdrant's filter language."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client.http import models

from holotype.store.payload import CHANGED_AT
from holotype.store.points import Matching


def to_filter(matching: Matching) -> models.Filter | None:
    """The server's filter; None where everything matches.

    Qdrant's `must_not` holds where the key is missing.
    """
    must: list[models.Condition] = [any_of(key, values) for key, values in matching.one_of]
    must_not: list[models.Condition] = [any_of(key, values) for key, values in matching.none_of]
    if matching.ids is not None:
        must.append(models.HasIdCondition(has_id=list(matching.ids)))
    after, until = matching.changed_after, matching.changed_until
    if after is not None or until is not None:
        between = models.Range(gt=after, lte=until)
        must.append(models.FieldCondition(key=CHANGED_AT, range=between))
    if not must and not must_not:
        return None
    return models.Filter(must=must or None, must_not=must_not or None)


def any_of(key: str, values: Sequence[str]) -> models.FieldCondition:
    """Points whose `key` is one of these values."""
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
