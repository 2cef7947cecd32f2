"""Accuracy against the number of labels: `curate next` beside random and its well-known rivals.

    HOLOTYPE_SETS=<folder of sets> python -m benchmarks labelling            the figures of the LAB
    HOLOTYPE_SETS=<folder of sets> python -m benchmarks labelling --choose   what settings are from

A draw takes four fifths of the train part as the pool, without labels, and labels in batches what
a strategy picks; after each batch all pictures of the val part are answered from the pool's
labelled pictures. With `--choose` both come from the train part (other draws): val is not looked
at. `--tail 10` makes the largest class of the pool ten times as large as the smallest.

Answers come from the stand-in `curate.opinion`, which costs a hundredth of a retrain; with
`--heads` the same labelled pictures train a head (`head.train.train`) at two sizes.

The rivals: TypiClust (Hacohen et al., 2022, arXiv 2202.02794), the smallest margin, k-centre
(Sener and Savarese, 2018, arXiv 1708.00489) and BADGE (Ash et al., 2020, arXiv 1906.03671),
written here from the papers. The first batch of margin and BADGE is random.

Shapes: P pictures of the pool, V that are asked, D dimensions, C classes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import Result, benchmark
from curate.labelling import BATCH, label_next
from curate.opinion import Opinion
from curate.view import GalleryView
from head.data.training_set import TrainingSet, mark_of
from head.train import train
from holotype.knn import nearest
from holotype.references import Codes, Floats, Vectors, reference_id

SIZES = (20, 50, 100, 150, 200, 250, 300, 350, 400)
SHOWN = (20, 50, 100, 200, 400)
HEADS_AT = (50, 200)
LARGEST_SHARE = 0.85
"""Of a pool that is labelled."""

TYPICAL_OF = 20
MOST_CLUSTERS = 500

Choose = Callable[["Pool", Codes, int, np.random.Generator], Codes]


@dataclass(eq=False)
class Pool:
    """Pictures whose labels are there, and not looked at before they are asked for."""

    vectors: Vectors
    """(P, D) unit rows."""
    codes: Codes
    """(P,)."""
    ids: list[str]
    asked: Vectors
    """(V, D)."""
    truth: Codes
    """(V,)."""
    known: dict[bytes, Opinion | None] = field(default_factory=dict)
    """By the rows that it was fitted to."""

    def training(self, rows: Codes) -> TrainingSet:
        """These rows as a gallery has them."""
        labels, codes = np.unique(self.codes[rows], return_inverse=True)
        return TrainingSet(
            labels=tuple(f"{label:03}" for label in labels),
            vectors=self.vectors[rows],
            codes=codes.astype(np.int64),
            groups=np.arange(len(rows)),
            marks=np.array([mark_of(self.ids[row]) for row in rows], np.int64),
        )

    def view(self, rows: Codes) -> GalleryView:
        """The same for curation."""
        ids = [self.ids[row] for row in rows]
        return GalleryView(ids, [None] * len(rows), self.training(rows))

    def opinion(self, rows: Codes) -> Opinion | None:
        """The stand-in."""
        key = rows.tobytes()
        if key not in self.known:
            self.known = {key: Opinion.of(self.training(rows))}
        return self.known[key]

    def answers(self, rows: Codes) -> Codes:
        """(V,) by the stand-in; by the nearest where it has nothing to say."""
        opinion = self.opinion(rows)
        if opinion is None:
            return self.codes[rows][nearest(self.asked, self.vectors[rows], r=1).rows[:, 0]]
        return np.unique(self.codes[rows])[opinion.answers(self.asked)]

    def accuracy(self, answers: Codes) -> float:
        """Mean recall of the classes."""
        right = answers == self.truth
        return float(np.mean([right[self.truth == c].mean() for c in np.unique(self.truth)]))

    def rest(self, rows: Codes) -> Codes:
        """What is not labelled."""
        return np.setdiff1d(np.arange(len(self.codes)), rows)


def at_random(pool: Pool, rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    """Any."""
    return rng.permutation(pool.rest(rows))[:n]


def ours(pool: Pool, rows: Codes, n: int, _rng: np.random.Generator) -> Codes:
    """`curate next`."""
    rest = pool.rest(rows)
    picks = label_next(pool.vectors[rest], pool.view(rows), batch=n).picks
    chosen = rest[[pick.row for pick in picks]]
    # Near-duplicates are not proposed: what is missing then is any other.
    return np.concatenate([chosen, np.setdiff1d(rest, chosen)[: n - len(chosen)]])


def typiclust(pool: Pool, rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    """The most typical of the largest clusters without a label."""
    from sklearn.cluster import KMeans

    k = min(len(rows) + n, MOST_CLUSTERS)
    means = KMeans(k, n_init=1, max_iter=30, random_state=int(rng.integers(2**31)))
    cluster = means.fit_predict(pool.vectors)
    size, labelled = np.bincount(cluster, minlength=k), np.bincount(cluster[rows], minlength=k)
    free = np.ones(len(cluster), bool)
    free[rows] = False
    chosen: list[int] = []
    while len(chosen) < n:
        open_ = np.flatnonzero(size > labelled)
        best = open_[np.lexsort((-size[open_], labelled[open_]))[0]]
        members = np.flatnonzero(cluster == best)
        candidates = members[free[members]]
        distances = np.sqrt(_squares(pool.vectors[candidates], pool.vectors[members]))
        typical = np.sort(distances, axis=1)[:, 1 : TYPICAL_OF + 1]
        row = int(candidates[typical.mean(axis=1).argmin() if typical.size else 0])
        chosen.append(row)
        free[row] = False
        labelled[best] += 1
    return np.array(chosen)


def margin(pool: Pool, rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    """The least certain."""
    opinion = pool.opinion(rows) if len(rows) else None
    if opinion is None:
        return at_random(pool, rows, n, rng)
    rest = pool.rest(rows)
    second, first = np.partition(opinion.probabilities(pool.vectors[rest]), -2, axis=1)[:, -2:].T
    return rest[np.argsort(first - second, kind="stable")[:n]]


def k_centre(pool: Pool, rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    """The farthest from everything that has a label."""
    chosen: list[int] = [] if len(rows) else [int(rng.integers(len(pool.codes)))]
    near = _squares(pool.vectors, pool.vectors[[*rows, *chosen]]).min(axis=1)
    while len(chosen) < n:
        chosen.append(int(near.argmax()))
        near = np.minimum(near, _squares(pool.vectors, pool.vectors[chosen[-1:]])[:, 0])
    return np.array(chosen)


def badge(pool: Pool, rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    """k-means++ among gradients of the last layer, whose products factorise."""
    opinion = pool.opinion(rows) if len(rows) else None
    if opinion is None:
        return at_random(pool, rows, n, rng)
    rest = pool.rest(rows)
    vectors = pool.vectors[rest]
    slope = opinion.probabilities(vectors)
    slope[np.arange(len(rest)), slope.argmax(axis=1)] -= 1
    lengths = (slope**2).sum(axis=1)
    weight, chosen = lengths.copy(), []
    near: Floats = np.full(len(rest), np.inf)
    while len(chosen) < n:
        row = int(rng.choice(len(rest), p=weight / weight.sum()))
        chosen.append(row)
        products = (slope @ slope[row]) * (vectors @ vectors[row])
        near = np.minimum(near, np.maximum(lengths + lengths[row] - 2 * products, 0))
        weight = near.copy()
        weight[chosen] = 0
    return rest[chosen]


STRATEGIES: Mapping[str, Choose] = {
    "random": at_random,
    "TypiClust": typiclust,
    "margin": margin,
    "k-centre": k_centre,
    "BADGE": badge,
    "curate next": ours,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One strategy at one size of one draw."""

    set: str
    draw: int
    strategy: str
    labels: int
    accuracy: float
    head: float | None = None
    """Of a trained head."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """What the stop rule said, and what came."""

    set: str
    labels: int
    more: int
    said: float
    low: float
    high: float
    came: float


def main() -> None:
    """Measure on every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--choose", action="store_true", help="leave the val parts alone")
    parser.add_argument("--tail", type=float, default=1.0, help="largest class over the smallest")
    parser.add_argument("--heads", action="store_true", help="train heads, too")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    options = parser.parse_args()
    first = 1000 if options.choose else 0
    with benchmark("labelling", options) as result:
        encoder = open_encoder(LITE0, options.image_size)
        measured: list[Measured] = []
        foretold: list[Foretold] = []
        for found in find_sets(options.sets, options.only):
            features = features_of(found, encoder)
            for draw in range(first, first + options.draws):
                pool = drawn(features, draw, choose=options.choose, tail=options.tail)
                for name in options.strategies:
                    some, said = labelled(pool, name, features.name, draw, heads=options.heads)
                    measured += some
                    foretold += said
            tell(result, [m for m in measured if m.set == features.name])
        if foretold:
            tell_foretold(result, foretold)


def drawn(features: Features, draw: int, *, choose: bool, tail: float) -> Pool:
    """A pool and what is asked."""
    rng = np.random.default_rng([draw, 15])
    train_rows = np.flatnonzero(features.parts == "train")
    asked = np.flatnonzero(features.parts == "val")
    rows = rng.permutation(train_rows)[: int(0.8 * len(train_rows))]
    if choose:
        groups = rng.permutation(np.unique(features.groups[train_rows]))
        inside = np.isin(features.groups[train_rows], groups[: int(0.7 * len(groups))])
        rows, asked = train_rows[inside], train_rows[~inside]
    classes = rng.permutation(int(features.codes.max()) + 1)
    kept = []
    for rank, c in enumerate(classes):
        mine = rng.permutation(rows[features.codes[rows] == c])
        kept.append(mine[: max(2, int(len(mine) * tail ** (-rank / (len(classes) - 1))))])
    rows = rng.permutation(np.concatenate(kept))
    ids = [reference_id(str(digest)) for digest in features.digests[rows]]
    return Pool(
        features.unit[rows], features.codes[rows], ids, features.unit[asked], features.codes[asked]
    )


def labelled(
    pool: Pool, name: str, set_: str, draw: int, *, heads: bool
) -> tuple[list[Measured], list[Foretold]]:
    """One strategy from the first label on."""
    rng = np.random.default_rng([draw, 16])
    rows = np.empty(0, np.int64)
    measured, foretold = [], []
    before: Codes | None = None
    said = None
    for size in SIZES:
        if size > LARGEST_SHARE * len(pool.codes):
            break
        rows = np.concatenate([rows, STRATEGIES[name](pool, rows, size - len(rows), rng)])
        assert len(set(rows.tolist())) == size
        answers = pool.answers(rows)
        if said is not None and before is not None:
            came = float(np.mean(answers != before))
            foretold.append(
                Foretold(
                    set_, size - said.labels, said.labels, said.share, said.low, said.high, came
                )
            )
        head = None
        if heads and size in HEADS_AT:
            trained = train(pool.training(rows)).probabilities(pool.asked).argmax(axis=1)
            head = pool.accuracy(np.unique(pool.codes[rows])[trained])
        measured.append(Measured(set_, draw, name, size, pool.accuracy(answers), head))
        if name == "curate next":
            rest = pool.rest(rows)
            more = min(BATCH, 50 if size >= 50 else 30)
            said = label_next(pool.vectors[rest], pool.view(rows), batch=more).change
            before = answers
    return measured, foretold


def tell(result: Result, measured: Sequence[Measured]) -> None:
    """A table a set, and whether random won anywhere."""
    found: dict[tuple[str, int, bool], dict[int, float]] = defaultdict(dict)
    for m in measured:
        found[m.strategy, m.labels, False][m.draw] = m.accuracy
        if m.head is not None:
            found[m.strategy, m.labels, True][m.draw] = m.head
    strategies = list(dict.fromkeys(m.strategy for m in measured))
    rows = []
    for trained in (False, True):
        for size in SHOWN:
            if (strategies[0], size, trained) not in found:
                continue
            row = {"answers": "head" if trained else "stand-in", "labels": size}
            for name in strategies:
                row[name] = _with_interval(
                    found[name, size, trained], found["random", size, trained]
                )
            rows.append(row)
    result.table(f"{measured[0].set}: macro accuracy, % (over random, 95 % interval)", rows)
    if "curate next" not in strategies:
        return
    for (name, size, trained), mine in found.items():
        if name == "curate next" and (trained or size in SHOWN):
            low, mean, high = _gain(mine, found["random", size, trained])
            result.target(
                f"{measured[0].set}, {size} labels, {'head' if trained else 'stand-in'}",
                reach="not below random",
                got=f"{mean:+.1f} points ({low:+.1f} to {high:+.1f})",
                met=mean >= 0,
            )


def tell_foretold(result: Result, foretold: Sequence[Foretold]) -> None:
    """What the stop rule said against what came, by size."""
    rows = []
    for size in sorted({f.labels for f in foretold}):
        for name in sorted({f.set for f in foretold if f.labels == size}):
            some = [f for f in foretold if (f.labels, f.set) == (size, name)]
            said, came = (np.array([getattr(f, k) for f in some]) for k in ("said", "came"))
            inside = [f.low <= f.came <= f.high for f in some]
            rows.append(
                {
                    "set": name,
                    "labels": size,
                    "more": some[0].more,
                    "said, %": round(100 * float(said.mean()), 1),
                    "came, %": round(100 * float(came.mean()), 1),
                    "came / said": round(float(came.mean() / said.mean()), 2),
                    "in the interval": f"{sum(inside)} of {len(some)}",
                }
            )
    result.table("The stop rule", rows)
    ratios = np.array([f.came / max(f.said, 1e-9) for f in foretold])
    quantiles = np.round(np.quantile(ratios, [0.05, 0.25, 0.5, 0.75, 0.95]), 2).tolist()
    inside = float(np.mean([f.low <= f.came <= f.high for f in foretold]))
    result.target(
        "the stop rule's interval",
        reach="nine of ten, from 85 to 95 %",
        got=f"{inside:.0%}; came / said at 5, 25, 50, 75, 95 %: {quantiles}",
        met=0.85 <= inside <= 0.95,
    )


def _with_interval(mine: Mapping[int, float], other: Mapping[int, float]) -> str:
    low, mean, high = _gain(mine, other)
    return f"{100 * np.mean(list(mine.values())):.1f} ({mean:+.1f}, {low:+.1f} to {high:+.1f})"


def _gain(mine: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, float, float]:
    """Points over the other in the same draws, with the interval of the mean (Student's t)."""
    from scipy.stats import t

    gains = 100 * np.array([mine[draw] - other[draw] for draw in mine])
    mean, n = float(gains.mean()), len(gains)
    half = float(t.ppf(0.975, n - 1) * gains.std(ddof=1) / n**0.5) if n > 1 else 0.0
    return mean - half, mean, mean + half


def _squares(a: Vectors, b: Vectors) -> Vectors:
    squares: Vectors = np.maximum(2 - 2 * (a @ b.T), 0)
    return squares


if __name__ == "__main__":
    main()
