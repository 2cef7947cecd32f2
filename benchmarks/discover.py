"""Discovering classes: are pictures of classes without references grouped by their classes?

    python -m benchmarks.discover --sets FOLDER [--draws 10] [--first 0]

A fifth of a set's classes is held out: all their pictures, train and val, are unlabelled, mixed
with the val pictures of the other classes, whose train pictures are the references. Pictures with
a near-duplicate among the references are left out. Compared with `curate discover`:

- k-means of the stored vectors, with the number of classes that there really are, and with the
  number of the highest silhouette;
- HDBSCAN, and average linkage with one cut for all galleries, in the whitened space.

Told are, over all unlabelled pictures (one in no group is alone): the adjusted Rand index, also of
the held-out classes' pictures only; of what is grouped, the share that has its group's majority
class (purity); the share of held-out classes found: a group has it as its majority, more than
half, and holds at least half of its pictures; and how many groups a person looks at.

Settings were chosen on draws from 1000 on, of train parts only (`docs/LAB.md`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import benchmark
from curate.discover import MIN_SIZE, OTHERWISE, Directions, PictureGroup, discover
from curate.known import Known
from head.data.training_set import TrainingSet
from holotype.references import Codes

SHARE = 0.2
"""Of the classes that are held out; two at least."""

SILHOUETTES = 12
"""Numbers of groups that are tried, from 2 to twice the true one."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Rows of a set."""

    held_out: Codes
    """Classes without references."""
    references: Codes
    unlabelled: Codes


def draw_rows(features: Features, draw: int) -> Drawn:
    """See the module."""
    n_classes = int(features.codes.max()) + 1
    rng = np.random.default_rng([draw, n_classes])
    held_out = rng.choice(n_classes, size=max(2, round(SHARE * n_classes)), replace=False)
    new, train = np.isin(features.codes, held_out), features.parts == "train"
    references = np.flatnonzero(train & ~new)
    twin = np.isin(features.groups, features.groups[references])
    return Drawn(held_out, references, np.flatnonzero(new | ~(train | twin)))


def known_of(features: Features, rows: Codes) -> Known:
    """What these references say."""
    labels, codes = np.unique(features.labels[rows], return_inverse=True)
    groups = np.unique(features.groups[rows], return_inverse=True)[1]
    training = TrainingSet(
        labels=tuple(map(str, labels)),
        vectors=features.unit[rows],
        codes=codes.astype(np.int64),
        groups=groups.astype(np.int64),
        marks=np.arange(len(rows)),
    )
    return Known.of(training)


def ways(features: Features, drawn: Drawn) -> dict[str, Codes]:
    """The group of each unlabelled picture, -1 in none, by each way."""
    vectors, known = features.unit[drawn.unlabelled], known_of(features, drawn.references)
    found = discover(known, [str(row) for row in drawn.unlabelled], vectors)
    whitened = known.metric.whiten(vectors)
    placed = Directions.of(np.concatenate([known.whitened(), whitened])).place(whitened)
    true = len(np.unique(features.codes[drawn.unlabelled]))
    linked = fcluster(linkage(pdist(placed, "cosine"), "average"), OTHERWISE, "distance")
    return {
        "curate discover, new groups": as_codes(found.new, len(vectors)),
        "curate discover, --all": as_codes(found.groups, len(vectors)),
        "average linkage, one cut for all": large_only(linked),
        "HDBSCAN, whitened": HDBSCAN(MIN_SIZE, min_samples=3, copy=True).fit_predict(whitened),
        "HDBSCAN, whitened, 32 directions": HDBSCAN(MIN_SIZE, min_samples=3, copy=True).fit_predict(
            placed
        ),
        "k-means, cosine, true number": k_means(vectors, true),
        "k-means, cosine, by silhouette": by_silhouette(vectors, true),
    }


def as_codes(groups: list[PictureGroup], n: int) -> Codes:
    codes = np.full(n, -1)
    for number, group in enumerate(groups):
        codes[group.rows] = number
    return codes


def large_only(codes: Codes) -> Codes:
    return np.where(np.bincount(codes)[codes] >= MIN_SIZE, codes, -1)


def k_means(vectors: Any, k: int) -> Codes:
    return KMeans(k, n_init=5, random_state=0).fit_predict(vectors)


def by_silhouette(vectors: Any, true: int) -> Codes:
    numbers = np.unique(np.geomspace(2, 2 * true, SILHOUETTES).round().astype(int))
    tried = [k_means(vectors, int(k)) for k in numbers]
    return max(tried, key=lambda codes: silhouette_score(vectors, codes, metric="cosine"))


def measure(true: Codes, groups: Codes, held_out: Codes) -> dict[str, float]:
    """Figures of one way.

    Args:
        true: (N,) classes of the unlabelled pictures.
        groups: (N,) their groups, -1 in none.
        held_out: classes without references.
    """
    alone = groups.max(initial=0) + 1 + np.arange(len(groups))
    told, new = np.where(groups < 0, alone, groups), np.isin(true, held_out)
    found, right = set(), 0
    for group in np.unique(groups[groups >= 0]):
        members = true[groups == group]
        classes, counts = np.unique(members, return_counts=True)
        most = int(counts.max())
        majority = classes[counts.argmax()]
        right += most
        if 2 * most > len(members) and 2 * most >= np.count_nonzero(true == majority):
            found.add(int(majority))
    return {
        "Rand index": adjusted_rand_score(true, told),
        "Rand index, held out": adjusted_rand_score(true[new], told[new]),
        "purity": right / max(np.count_nonzero(groups >= 0), 1),
        "classes found": len(found.intersection(held_out.tolist())) / len(held_out),
        "groups": len(np.unique(groups[groups >= 0])),
        "held out, in groups": float((groups[new] >= 0).mean()),
    }


def main() -> None:
    """Measure all ways on every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    options = parser.parse_args()
    with benchmark("discover", options) as result:
        encoder = open_encoder(LITE0, options.image_size)
        means: dict[str, list[dict[str, float]]] = {}
        for found in find_sets(options.sets, options.only):
            features = features_of(found, encoder)
            told: dict[str, list[dict[str, float]]] = {}
            for draw in range(options.first, options.first + options.draws):
                drawn = draw_rows(features, draw)
                true = features.codes[drawn.unlabelled]
                for way, groups in ways(features, drawn).items():
                    told.setdefault(way, []).append(measure(true, groups, drawn.held_out))
                print(f"{features.name}, draw {draw}", flush=True)
            table = {way: mean_of(some) for way, some in told.items()}
            for way, row in table.items():
                means.setdefault(way, []).append(row)
            result.table(features.name, rows(table, lambda x: x))
        result.table("mean of the sets", rows(means, mean_of))


def mean_of(some: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in some])) for name in some[0]}


def rows(table: dict[str, Any], of: Callable[[Any], dict[str, float]]) -> list[dict[str, Any]]:
    return [
        {"way": way} | {name: round(value, 3) for name, value in of(one).items()}
        for way, one in table.items()
    ]


if __name__ == "__main__":
    main()
