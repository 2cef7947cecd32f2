"""The same thing more than once: exact and near duplicates, conflicts of labels, leaks.

The same bytes are one reference already. The same pixels in another file have the same vector to
rounding; where sizes and thumbnails are known, these have to be equal, too (`described`). A scaled
decode may tell two files of the same pixels apart: a large JPEG and its lossless copy are near
duplicates then.

Pairs (`curate.twins`) become sets (`curate.joining`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from curate.joining import Joined, join_sets
from curate.twins import EXACT, find_pairs, thresholds
from curate.view import GalleryView
from head.steps import Standing, Tell
from holotype.references import Reference

COMPARED = 2 * 10**10
"""Pairs that are compared at most: all of 200,000 references, a part of more (some minutes)."""

MARK_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Member:
    """A reference of a set."""

    id: str
    label: str
    group: str | None
    similarity: float
    """Cosine with the first member; of the first, with the one that is most like it."""
    copy_of: str | None = None
    """The member with the same pixels that comes before it; None: there is none."""
    reference: Reference | None = field(default=None, repr=False)
    """Everything that is known of it, once it was asked for."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        if self.reference is None:
            known: dict[str, Any] = {"id": self.id, "label": self.label, "group": self.group}
        else:
            known = asdict(self.reference)
        return {**known, "similarity": round(self.similarity, 6), "copy_of": self.copy_of}


@dataclass(frozen=True, slots=True)
class DuplicateSet:
    """References that show the same thing."""

    members: tuple[Member, ...]
    """The one to keep first."""
    leak: bool
    """Whether they are in different groups, or have different values of the key asked for."""

    @property
    def mark(self) -> str:
        """Names the set for as long as it has these members."""
        text = "".join(sorted(self.ids))
        return hashlib.sha256(text.encode()).hexdigest()[:MARK_DIGITS]

    @property
    def ids(self) -> list[str]:
        """Of its members."""
        return [member.id for member in self.members]

    @property
    def kind(self) -> Literal["exact", "near"]:
        """Whether all but one are copies of it, pixel by pixel."""
        return "exact" if all(member.copy_of for member in self.members[1:]) else "near"

    @property
    def conflict(self) -> bool:
        """Whether they have different labels."""
        return len({member.label for member in self.members}) > 1

    @property
    def suggestion(self) -> str:
        """What is best done about it, for people."""
        if self.conflict:
            (first, most), *others = Counter(m.label for m in self.members).most_common()
            if most > others[0][1]:
                return f"resolve labels: {first}?"
            return "resolve labels: look at them"
        if self.kind == "exact":
            return "keep the first"
        groups = {member.group for member in self.members}
        if len(groups) == 1 and None not in groups:
            return "none: they are in one group"
        return "merge groups"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "set": self.mark,
            "kind": self.kind,
            "conflict": self.conflict,
            "leak": self.leak,
            "suggestion": self.suggestion,
            "ids": self.ids,
            "members": [member.to_dict() for member in self.members],
        }


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found, conflicts first, then leaks, then the most similar."""

    sets: tuple[DuplicateSet, ...]
    threshold: float
    """Cosine above which two references are duplicates: the median over all of them."""
    thresholds: Mapping[str, float]
    """The same for every label."""
    references: int
    """How many there are."""
    compared: int
    """How many of them were compared with all: all, or a random part of a very large gallery."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "threshold": round(self.threshold, 4),
            "thresholds": {label: round(t, 4) for label, t in self.thresholds.items()},
            "references": self.references,
            "compared": self.compared,
            "sets": [one.to_dict() for one in self.sets],
        }


def find_duplicates(
    view: GalleryView,
    *,
    threshold: float | None = None,
    between: Sequence[str | None] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Duplicates:
    """Exact and near duplicates among N references.

    Args:
        view: the gallery.
        threshold: cosine above which two references are duplicates; None: chosen from the
            gallery, for every class (`curate.twins.thresholds`).
        between: N values: only sets in which they differ are of interest (None tells nothing).
            Not given: all sets; a leak is one that two groups share, or a group and a reference
            without one.
        advance: called with the number of references that were compared with all.
    """
    training = view.training
    limits = (
        thresholds(training.vectors, training.codes, len(training.labels))
        if threshold is None and len(view) > 1
        else np.full(len(training.labels), EXACT if threshold is None else min(threshold, EXACT))
    )
    of_each = limits[training.codes]
    compared = min(len(view), max(1, COMPARED // len(view)))
    if compared * 2 >= len(view):
        compared = len(view)
    pairs = find_pairs(training.vectors, of_each, first=compared, advance=advance)
    sets = (_set_of(view, one) for one in join_sets(pairs, training.vectors, of_each))
    found = Duplicates(
        sets=in_order(sets),
        threshold=float(np.median(of_each)),
        thresholds=dict(zip(training.labels, limits.tolist(), strict=True)),
        references=len(view),
        compared=compared,
    )
    return found if between is None else across(found, dict(zip(view.ids, between, strict=True)))


def across(found: Duplicates, values: Mapping[str, str | None]) -> Duplicates:
    """Only the sets that leak: whose members have different values.

    Args:
        found: all sets.
        values: by id; None tells nothing.
    """
    return replace(
        found,
        sets=tuple(
            replace(one, leak=True)
            for one in found.sets
            if len({values.get(member.id) for member in one.members} - {None}) > 1
        ),
    )


def in_order(sets: Iterable[DuplicateSet]) -> tuple[DuplicateSet, ...]:
    """Conflicts first, then leaks, then the most similar."""
    return tuple(
        sorted(
            sets,
            key=lambda one: (
                not one.conflict,
                not one.leak,
                -max(member.similarity for member in one.members),
                one.mark,
            ),
        )
    )


def described(
    found: Duplicates, references: Mapping[str, Reference], thumbnails: Mapping[str, bytes]
) -> Duplicates:
    """The same with what is known of the members: the best one first, and copies looked at.

    The best is the largest picture, then the oldest. Members that are gone, or carry another
    label by now, leave; so do sets of which one is left.

    Args:
        found: from `find_duplicates`.
        references: by id, as they are now.
        thumbnails: by id, of those that have one: of copies they have to be equal.
    """
    sets = (_described(one, references, thumbnails) for one in found.sets)
    return replace(found, sets=in_order(one for one in sets if len(one.members) > 1))


def _described(
    one: DuplicateSet, references: Mapping[str, Reference], thumbnails: Mapping[str, bytes]
) -> DuplicateSet:
    present = [
        (member, reference)
        for member in one.members
        if (reference := references.get(member.id)) and reference.label == member.label
    ]
    present.sort(key=lambda pair: _rank(pair[1]))
    unseen = {m.copy_of or m.id for m, _ in present if m.id not in thumbnails}
    originals: dict[Hashable, str] = {}
    members = []
    for member, reference in present:
        root = member.copy_of or member.id
        seen = None if root in unseen else thumbnails[member.id]
        original = originals.setdefault((root, reference.width, reference.height, seen), member.id)
        members.append(
            replace(
                member,
                group=reference.group,
                copy_of=None if original == member.id else original,
                reference=reference,
            )
        )
    return replace(one, members=tuple(members))


def _rank(reference: Reference) -> tuple[int, str, str]:
    return -reference.width * reference.height, reference.added_at, reference.id


def _set_of(view: GalleryView, joined: Joined) -> DuplicateSet:
    originals: dict[int, str] = {}
    members = []
    for row, copy, similarity in zip(
        joined.rows.tolist(), joined.copies.tolist(), joined.similarities.tolist(), strict=True
    ):
        id_ = view.ids[row]
        original = originals.setdefault(copy, id_)
        members.append(
            Member(
                id=id_,
                label=view.training.labels[view.training.codes[row]],
                group=view.groups[row],
                similarity=similarity,
                copy_of=None if original == id_ else original,
            )
        )
    groups = {member.group or member.id for member in members}
    return DuplicateSet(
        tuple(members), leak=len(groups) > 1 and any(member.group for member in members)
    )


def work(view: GalleryView, options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """For a page or a program: see `curate.work`. Options: `threshold`."""
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        tell(Standing("comparing all with all", min(1.0, done / len(view))))

    return find_duplicates(view, threshold=options.get("threshold"), advance=advance).to_dict()
