"""References whose label the others contradict, in cohorts, with the evidence of both sides.

How probable it is that a label is wrong follows from what a model that never saw the reference
says of it (`curate.out_of_fold`), and from how labels are confused in this gallery
(`curate.confusions`). Suspects with the same label and the same proposed one are a cohort: one
look, one decision. First come the cohorts in which a decision corrects most errors.

Shapes: N references, M of them scored, C classes.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from curate.confusions import Confusions
from curate.out_of_fold import OutOfFold, out_of_fold
from curate.view import GalleryView
from head.steps import Standing, Tell
from holotype.references import Codes, Vectors

ABOVE: Final = 0.3
"""Probability that its label is wrong from which a reference is a suspect."""

NEAREST: Final = 3
"""References of each side that are shown."""

LOOKED_AT: Final = 200_000
"""References beyond which a random part is looked at, whole groups: time and memory are then
those of so many."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Ids of the nearest references of other groups, nearest first."""

    given: list[str]
    """Of those that carry the same label."""
    proposed: list[str]
    """Of those that carry the proposed one."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A reference whose label is probably wrong."""

    id: str
    label: str
    """As it is."""
    proposed: str
    """As it should probably be."""
    p_given: float
    """Of its label, by a model that never saw it: what it looks like."""
    p_proposed: float
    """Of the proposed one."""
    p_wrong: float
    """That its label is wrong, by all that is known of how labels are confused here."""
    evidence: Evidence
    mark: str
    """Stands for both labels and the nearest reference of each: who keeps the suspect dismisses
    this mark, and with another one it comes back."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Suspects with the same label and the same proposed one."""

    label: str
    proposed: str
    members: list[Suspect]
    """The surest first."""

    @property
    def expected(self) -> float:
        """Errors that are probably among them."""
        return sum(member.p_wrong for member in self.members)

    @property
    def mark(self) -> str:
        """What the cohort is called: with other members it has another name."""
        return _mark(self.label, self.proposed, *sorted(member.id for member in self.members))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**asdict(self), "expected": self.expected, "mark": self.mark}


@dataclass(frozen=True, slots=True)
class Suspects:
    """What was found."""

    cohorts: list[Cohort]
    """Most expected errors first."""
    references: int
    """In the gallery."""
    scored: int
    """That could be doubted: of a class with another independent reference, and in the part that
    was looked at."""
    looked_at: int
    """References in that part: all, or a random part of a large gallery."""
    error_rate: float | None
    """Share of labels that are wrong, as estimated; None where nothing could be scored."""

    @property
    def members(self) -> list[Suspect]:
        """All of them, cohort by cohort."""
        return [member for cohort in self.cohorts for member in cohort.members]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "cohorts": [cohort.to_dict() for cohort in self.cohorts],
            "references": self.references,
            "scored": self.scored,
            "looked_at": self.looked_at,
            "error_rate": self.error_rate,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """What is to be thought of every scored reference's label."""

    p_wrong: Vectors
    """(M,) that it is wrong."""
    proposed: Codes
    """(M,) the likeliest other class."""
    error_rate: float


def doubts(probabilities: Vectors, codes: Codes) -> Doubts:
    """Hold given labels (M,) against out-of-fold probabilities (M, C) of two classes at least."""
    confusions = Confusions.estimated(probabilities, codes)
    p_wrong, proposed = np.empty(len(codes), np.float32), np.empty(len(codes), np.int64)
    for label in np.unique(codes).tolist():
        rows = np.flatnonzero(codes == label)
        posterior = confusions.posterior(probabilities[rows], label)
        posterior[:, label] = 0
        p_wrong[rows] = posterior.sum(axis=1)  # not 1 - p: that loses the order of the surest
        proposed[rows] = posterior.argmax(axis=1)
    return Doubts(p_wrong, proposed, confusions.rate)


def find_suspects(view: GalleryView, outs: OutOfFold, *, above: float = ABOVE) -> Suspects:
    """Suspects in cohorts.

    Args:
        view: what was looked at.
        outs: answers about it.
        above: probability that the label is wrong, in [0, 1].
    """
    rows, codes = outs.rows, view.training.codes[outs.rows]
    if not len(rows):
        return Suspects([], len(view), 0, len(view), None)
    found = doubts(outs.probabilities, codes)
    by_pair = defaultdict(list)
    chosen = np.flatnonzero(found.p_wrong >= above)
    for at in chosen[np.argsort(-found.p_wrong[chosen], kind="stable")].tolist():
        by_pair[int(codes[at]), int(found.proposed[at])].append(at)
    cohorts = [
        _cohort(view, outs, found, np.array(places), *pair) for pair, places in by_pair.items()
    ]
    cohorts.sort(key=lambda one: (-one.expected, one.label, one.proposed))
    return Suspects(cohorts, len(view), len(rows), len(view), found.error_rate)


def look(
    view: GalleryView,
    *,
    above: float = ABOVE,
    seed: int = 0,
    tell: Tell = lambda _: None,
) -> Suspects:
    """Ask about every reference, or a random part of a large gallery, and find the suspects.

    `seed`: another number is another division into folds, and another part.
    """
    part = _part(view, seed)
    tell(Standing("asking about every reference", 0.0))
    outs = out_of_fold(part.training, seed=seed)
    tell(Standing("comparing with the nearest of both classes", 0.8))
    found = find_suspects(part, outs, above=above)
    return Suspects(found.cohorts, len(view), found.scored, len(part), found.error_rate)


def work(view: GalleryView, options: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """For a page or a program: see `curate.work`. Options: `above`."""
    return look(view, above=float(options.get("above") or ABOVE), tell=tell).to_dict()


def _part(view: GalleryView, seed: int) -> GalleryView:
    """The view, or whole groups of it at random."""
    if len(view) <= LOOKED_AT:
        return view
    groups = view.training.groups
    luck = np.random.default_rng(seed).random(int(groups.max()) + 1)[groups]
    rows = np.flatnonzero(luck <= np.partition(luck, LOOKED_AT - 1)[LOOKED_AT - 1])
    return GalleryView(
        ids=[view.ids[row] for row in rows],
        groups=[view.groups[row] for row in rows],
        training=view.training.rows(rows),
    )


def _cohort(
    view: GalleryView, outs: OutOfFold, found: Doubts, places: Codes, code: int, proposed: int
) -> Cohort:
    """Of these places among the scored references."""
    rows = outs.rows[places]
    label, other = view.training.labels[code], view.training.labels[proposed]
    own, others = _nearest(view, rows, code), _nearest(view, rows, proposed)
    members = [
        Suspect(
            id=view.ids[row],
            label=label,
            proposed=other,
            p_given=float(outs.probabilities[at, code]),
            p_proposed=float(outs.probabilities[at, proposed]),
            p_wrong=float(min(found.p_wrong[at], 1.0)),
            evidence=Evidence(given, likes),
            mark=_mark(label, other, *given[:1], *likes[:1]),
        )
        for at, row, given, likes in zip(places.tolist(), rows.tolist(), own, others, strict=True)
    ]
    return Cohort(label, other, members)


def _nearest(view: GalleryView, rows: Codes, code: int) -> list[list[str]]:
    """Ids of the nearest references of a class for each row, outside of the row's group."""
    training = view.training
    mine = np.flatnonzero(training.codes == code)
    cosine = training.vectors[rows] @ training.vectors[mine].T
    cosine[training.groups[rows][:, None] == training.groups[mine][None, :]] = -np.inf
    best = np.argsort(-cosine, axis=1, kind="stable")[:, :NEAREST]
    closeness = np.take_along_axis(cosine, best, axis=1)
    return [
        [view.ids[mine[at]] for at, near in zip(ats, nears, strict=True) if np.isfinite(near)]
        for ats, nears in zip(best.tolist(), closeness.tolist(), strict=True)
    ]


def _mark(*parts: str) -> str:
    """A short text that stands for these."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:8]
