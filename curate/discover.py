"""Pictures without a label that belong together, and are of no class that the gallery has.

Everything is grouped first, and groups are judged afterwards: one picture says little of whether
it is new, a group of them much. With a fifth of the classes held out, 1 of 100 known queries called
unknown leaves most strangers known (`head.trust.novelty`), so that less than half of a new class
would be there to be grouped.

Groups are made in the whitened space (`curate.known`), in the directions along which references
and pictures spread most together, by average linkage of cosine distances, and cut where the
gallery's own classes say. Each of these is left out of the metric in turn, as a new class would
be. How far its references then lie from each other is what a group is to hold together, and how
far they lie from the nearest other class is what it is to be kept apart by.

Shapes: N pictures, D dimensions, R directions, C classes, G groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from curate.known import unit_rows

if TYPE_CHECKING:
    from curate.known import Known
    from holotype.references import Codes, Floats, Vectors

DIRECTIONS: Final = 32
"""24 and 48 do as well on the drawn training parts; without, a third fewer classes are found."""

ROUNDS: Final = 5
"""In which classes are left out, a fifth of them in each."""

APART: Final = 0.7
"""Where between the median distance inside a class (0) and to the nearest other one (1) groups are
cut, by ratios: classes that are tight and far apart leave much room between, of which a new class
needs little. 0.5 finds fewer classes, and both more than one distance for all galleries."""

TIGHT: Final = 1e-3
"""Distance inside classes that is taken for no smaller."""

OTHERWISE: Final = 0.75
"""The cut of a gallery of one class: what is best for all sets together."""

STRANGE: Final = 0.4
"""Mean share of references that a new group is stranger than. Of known pictures the mean is .375,
since what is less strange than half of the references counts as 0."""

NEAR: Final = 0.5
"""Share of the cut: a group that is nearer than this to a known class is of that class, however
strange. Of the drawn new classes it costs 2 of 100, of groups of known ones it finds a tenth."""

LINKED: Final = 10_000
"""Pictures that are linked, the strangest; the others join the groups that come of it. Distances
are quadratic: these take 0.4 GB."""

MIN_SIZE: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class PictureGroup:
    """Pictures that belong together."""

    id: str
    """Follows from its members and nothing else."""
    rows: Codes
    """Of its members, the most typical first."""
    cohesion: float
    """Mean cosine between two members."""
    stranger_than: float
    """Share of the references that its members are stranger than, in the mean."""
    nearest: str
    """The known class that is nearest in the mean."""
    distance: float
    """To its references, in the mean: 1 less cosine."""
    probability: float | None
    """Of that class, in the mean of the members; None where there is no other."""
    is_new: bool
    """Whether it is of no known class, as far as can be told: see `STRANGE` and `NEAR`."""


@dataclass(frozen=True, slots=True, eq=False)
class Discovered:
    """The groups, strangest first, and what belongs to none."""

    groups: list[PictureGroup]
    rest: Codes
    """Rows of pictures in no group."""
    cut: float
    """Mean distance at which groups are kept apart."""
    stranger_than: Floats
    """(N,) of each picture."""

    @property
    def new(self) -> list[PictureGroup]:
        """Those of no known class."""
        return [group for group in self.groups if group.is_new]


def discover(
    known: Known, ids: Sequence[str], vectors: Vectors, *, min_size: int = MIN_SIZE
) -> Discovered:
    """Group pictures.

    Args:
        known: what the gallery says.
        ids: N, what groups are named by.
        vectors: (N, D) unit rows in the order of ids, so that the same pictures are always the
            same groups.
        min_size: of a group.
    """
    strange = known.stranger_than(vectors)
    whitened, references = known.metric.whiten(vectors), known.whitened()
    directions = Directions.of(np.concatenate([references, whitened]))
    placed = directions.place(whitened)
    cut = _cut(known)
    codes = _linked(placed, strange, cut)
    describe = _Describing(
        ids=ids,
        placed=placed,
        strange=strange,
        cut=cut,
        labels=known.labels,
        means=class_means(directions.place(references), known.search.codes, len(known.labels)),
        probabilities=known.probabilities(vectors),
    )
    large = np.flatnonzero(np.bincount(codes) >= min_size)
    groups = [describe.group(np.flatnonzero(codes == code)) for code in large]
    grouped = np.concatenate([np.empty(0, np.int64), *(group.rows for group in groups)])
    return Discovered(
        groups=sorted(groups, key=lambda group: (-group.stranger_than, group.id)),
        rest=np.setdiff1d(np.arange(len(ids)), grouped),
        cut=cut,
        stranger_than=strange,
    )


def group_id(ids: Sequence[str]) -> str:
    """What a group of these pictures is called, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:6]


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Those along which some vectors spread most."""

    centre: Vectors
    """(D,)."""
    axes: Vectors
    """(D, R), orthonormal columns."""

    @classmethod
    def of(cls, vectors: Vectors) -> Directions:
        """Of (N, D): the first principal ones."""
        centre = vectors.mean(axis=0)
        centred = (vectors - centre).astype(np.float64)
        axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :DIRECTIONS]
        return cls(centre, axes.astype(np.float32))

    def place(self, vectors: Vectors) -> Vectors:
        """(N, R) unit rows."""
        return unit_rows((vectors - self.centre) @ self.axes)


def class_means(placed: Vectors, codes: Codes, n_classes: int) -> Floats:
    """(C, R) of (N, R); of unit rows, a product of two is the mean cosine of their members."""
    sums = np.zeros((n_classes, placed.shape[1]))
    np.add.at(sums, codes, placed)
    means: Floats = sums / np.maximum(np.bincount(codes, minlength=n_classes), 1)[:, None]
    return means


def rehearsed(known: Known) -> tuple[Floats, Floats]:
    """How classes would lie that the metric does not know.

    Returns:
        Mean distance between two references of each such class, and to those of its nearest other.
    """
    codes = known.search.codes
    counts = np.bincount(codes, minlength=len(known.labels))
    order = np.random.default_rng(0).permutation(np.flatnonzero(counts > 1))
    inside, outside = [], []
    for left_out in (order[start::ROUNDS] for start in range(ROUNDS)):
        metric = known.without(left_out.tolist()) if len(left_out) else None
        if metric is None or np.count_nonzero(counts) < 2:
            continue
        whitened = known.whitened(metric)
        placed = Directions.of(whitened).place(whitened)
        means = class_means(placed, codes, len(counts))
        squares, n = (means[left_out] ** 2).sum(axis=1), counts[left_out]
        inside.append(1 - (n * squares - 1) / (n - 1))
        distances = 1 - means[left_out] @ means.T
        distances[:, counts == 0] = np.inf
        distances[np.arange(len(left_out)), left_out] = np.inf
        outside.append(distances.min(axis=1))
    empty = [np.empty(0)]
    return np.concatenate(inside or empty), np.concatenate(outside or empty)


def _cut(known: Known) -> float:
    inside, outside = rehearsed(known)
    if not len(inside):
        return OTHERWISE
    tight, apart = (max(float(np.median(distances)), TIGHT) for distances in (inside, outside))
    return float(tight * (apart / tight) ** APART)


def _linked(placed: Vectors, strange: Floats, cut: float) -> Codes:
    """(N,) numbers of groups of (N, R) unit rows; groups of one, too."""
    if len(placed) < 2:
        return np.zeros(len(placed), np.int64)
    linked = np.sort(np.argsort(-strange, kind="stable")[:LINKED])
    tree = linkage(pdist(placed[linked], "cosine"), "average")
    codes = np.full(len(placed), -1, np.int64)
    codes[linked] = fcluster(tree, cut, "distance") - 1
    rest = np.flatnonzero(codes < 0)
    if len(rest):
        means = class_means(placed[linked], codes[linked], int(codes.max()) + 1)
        distances = 1 - placed[rest] @ means.T
        nearest = distances.argmin(axis=1)
        alone = distances[np.arange(len(rest)), nearest] > cut
        codes[rest] = np.where(alone, len(means) + np.arange(len(rest)), nearest)
    return codes


@dataclass(frozen=True, slots=True, eq=False)
class _Describing:
    """What groups are described with; row i belongs to picture i."""

    ids: Sequence[str]
    placed: Vectors
    """(N, R)."""
    strange: Floats
    """(N,)."""
    cut: float
    labels: Sequence[str]
    """C."""
    means: Floats
    """(C, R) of the classes."""
    probabilities: Floats
    """(N, C)."""

    def group(self, rows: Codes) -> PictureGroup:
        """Of at least two pictures."""
        mean = self.placed[rows].astype(np.float64).mean(axis=0)
        distances = np.where(self.means.any(axis=1), 1 - self.means @ mean, np.inf)
        nearest = int(distances.argmin())
        n = len(rows)
        strange = float(self.strange[rows].mean())
        typical = np.argsort(-(self.placed[rows] @ mean), kind="stable")
        return PictureGroup(
            id=group_id([self.ids[row] for row in rows]),
            rows=rows[typical],
            cohesion=float((n * mean @ mean - 1) / (n - 1)),
            stranger_than=strange,
            nearest=self.labels[nearest],
            distance=float(distances[nearest]),
            probability=float(self.probabilities[rows, nearest].mean())
            if len(self.labels) > 1
            else None,
            is_new=strange >= STRANGE and bool(distances[nearest] >= NEAR * self.cut),
        )
