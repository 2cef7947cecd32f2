"""What of a result is still to be decided, in the gallery as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from curate.duplicates import Duplicates, DuplicateSet, Member, across, described
from curate.suspects import ABOVE
from holotype.errors import UnknownFilterKey
from holotype.references import BUILT_IN_KEYS, Reference, meta_key

if TYPE_CHECKING:
    from holotype.store.port import VectorStore

_TOLD = ("id", "label", "group", "similarity", "copy_of")


def open_suspects(store: VectorStore, found: Mapping[str, Any]) -> dict[str, Any]:
    """The suspects that still carry the doubted label, and that nobody chose to keep.

    Args:
        store: the gallery as it is.
        found: `curate.suspects.Suspects.to_dict`, perhaps of an earlier state of it.

    Returns:
        The same with the cohorts of those that are wrong more likely than not; the cohorts of
        the others are `less_likely`.
    """
    ids = [member["id"] for cohort in found["cohorts"] for member in cohort["members"]]
    now = {reference.id: reference for reference in store.get(ids)}

    def is_open(member: Mapping[str, Any]) -> bool:
        reference = now.get(member["id"])
        return (
            reference is not None
            and reference.label == member["label"]
            and reference.dismissed != member["mark"]
        )

    likely, less = [], []
    for cohort in found["cohorts"]:
        members = [member for member in cohort["members"] if is_open(member)]
        likely.append(_cohort(cohort, [m for m in members if m["p_wrong"] >= ABOVE]))
        less.append(_cohort(cohort, [m for m in members if m["p_wrong"] < ABOVE]))
    return {**found, "cohorts": _in_order(likely), "less_likely": _in_order(less)}


def _cohort(cohort: Mapping[str, Any], members: list[Any]) -> dict[str, Any]:
    return {**cohort, "members": members, "expected": sum(m["p_wrong"] for m in members)}


def _in_order(cohorts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that have members, most expected errors first."""
    some = [cohort for cohort in cohorts if cohort["members"]]
    return sorted(some, key=lambda cohort: -float(cohort["expected"]))


def open_duplicates(
    store: VectorStore, found: Mapping[str, Any], *, between: str | None = None
) -> dict[str, Any]:
    """The sets whose members are still there, and not look-alikes of one label and one group.

    Args:
        store: the gallery as it is.
        found: `curate.duplicates.Duplicates.to_dict`, perhaps of an earlier state of it.
        between: only sets whose members differ in this: `group` or a metadata key.

    Raises:
        UnknownFilterKey: no reference has that key.
    """
    known = _duplicates(found)
    references = {r.id: r for r in store.get([m.id for one in known.sets for m in one.members])}
    copies = {
        id_ for one in known.sets for m in one.members if m.copy_of for id_ in (m.id, m.copy_of)
    }
    now = described(known, references, store.thumbnails(sorted(copies)))
    if between == "group":
        now = replace(now, sets=tuple(one for one in now.sets if one.leak))
    elif between is not None:
        key = between if between in BUILT_IN_KEYS else f"meta.{meta_key(between)}"
        if key not in store.filter_keys():
            raise UnknownFilterKey(key, store.filter_keys())
        now = across(now, {id_: _value(one, key) for id_, one in references.items()})
    return replace(now, sets=tuple(one for one in now.sets if not _is_settled(one))).to_dict()


def _is_settled(one: DuplicateSet) -> bool:
    """Whether its members are held together, and nothing is to be chosen."""
    groups = {member.group for member in one.members}
    return one.kind == "near" and not one.conflict and len(groups) == 1 and None not in groups


def _duplicates(found: Mapping[str, Any]) -> Duplicates:
    sets = (
        DuplicateSet(
            tuple(Member(**{name: member[name] for name in _TOLD}) for member in one["members"]),
            leak=one["leak"],
        )
        for one in found["sets"]
    )
    return Duplicates(**{**found, "sets": tuple(sets)})


def _value(reference: Reference, key: str) -> str | None:
    if key in BUILT_IN_KEYS:
        return str(getattr(reference, key))
    return reference.meta.get(key.removeprefix("meta."))
