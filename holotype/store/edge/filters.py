"""`Where` as a filter of the embedded engine."""

from __future__ import annotations

from collections.abc import Sequence

import qdrant_edge as qe

from holotype.references import Where
from holotype.store.payload import CHANGED_AT


def to_filter(
    where: Where, *, changed_after: int | None = None, changed_until: int | None = None
) -> qe.Filter | None:
    """The engine's filter; None where everything matches.

    Args:
        where: conditions whose keys are indexed (checked by the caller).
        changed_after: only references with a larger `changed_at`.
        changed_until: only references with no larger one.
    """
    must: list[qe.ConditionType] = []
    must_not: list[qe.ConditionType] = []
    for (key, op), values in where.by_key().items():
        (must if op == "=" else must_not).append(_any_of(key, values))
    if changed_after is not None or changed_until is not None:
        # Compared as float64, which is exact for microseconds until the year 2255 (2**53).
        between = qe.RangeFloat(gt=changed_after, lte=changed_until)
        must.append(qe.FieldCondition(CHANGED_AT, range=between))
    return qe.Filter(must=must, must_not=must_not) if must or must_not else None


def ids_filter(ids: Sequence[str], *, not_labelled: str | None = None) -> qe.Filter:
    """Those of `ids` (valid UUIDs) that are there, optionally only with another label."""
    must_not: list[qe.ConditionType] = []
    if not_labelled is not None:
        must_not.append(_any_of("label", [not_labelled]))
    return qe.Filter(must=[qe.HasIdCondition(set(ids))], must_not=must_not)


def equals(key: str, value: str) -> qe.Filter:
    """Points whose indexed `key` is `value`."""
    return qe.Filter(must=[_any_of(key, [value])])


def _any_of(key: str, values: Sequence[str]) -> qe.FieldCondition:
    return qe.FieldCondition(key, match=qe.MatchAny(list(values)))
