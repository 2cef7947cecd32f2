"""Readiness of classes: whether predicted gains come true, and whether merges are rightly proposed.

    python -m benchmarks.readiness --sets FOLDER [--draws 8] [--first 100] [--part gains]

1. Gains. A gallery is drawn from the train part, with another number of references for each class
   (3 to 32), and `curate.readiness` says what n more would give. Then n more are really added, to a
   quarter of the classes at a time, and recall is counted on the pictures of val, of which no
   reference is a near-duplicate: by the discriminant that the prediction is made with, or by a
   whole retrain (`--trained`). Beside it two naive peers, made possible (0 to what is missing):
   the class's own last slope, per reference and per doubling.
2. Merges. An eighth of the classes is split at random into two of one kind, which nothing can tell
   apart; every other pair that is proposed is looked at again with a head of the whole train part.

Settings were chosen on other draws, whose queries are of the train part too (`docs/LAB.md`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import Result, benchmark
from curate.learning import SHRINKAGE, Nested, layer_of, nested_errors
from curate.out_of_fold import out_of_fold
from curate.readiness import ClassReadiness, Verdict, readiness
from curate.view import GalleryView
from head.choice.cross_validation import within_everything
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.span import Span
from head.train import train
from holotype.references import Codes, Floats, Vectors

SIZES = (3, 4, 6, 8, 12, 16, 20, 24, 32)
PARTS = 4
SPLIT_SHARE = 8
SPLIT_SIZES = (8, 12, 14, 15, 18, 20, 25, 30)
BINS = 6


@dataclass(frozen=True, slots=True)
class Told:
    """What was predicted of one class, and what came."""

    name: str
    """Of the set."""
    more: int
    predicted: float
    slope: float
    """By the last slope per reference."""
    doubling: float
    """By the last slope per doubling."""
    came: float
    """Recall after less recall before, on `queries`."""
    queries: int
    verdict: Verdict


def main() -> None:
    """Measure both on every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--first", type=int, default=100, help="number of the first draw")
    parser.add_argument("--more", type=int, nargs="+", default=(5, 10, 20))
    parser.add_argument("--part", choices=("gains", "merges"), help="only one of both")
    parser.add_argument("--trained", action="store_true", help="gains by whole retrains")
    options = parser.parse_args()
    draws = range(options.first, options.first + options.draws)
    told: list[Told] = []
    merges: list[dict[str, Any]] = []
    with benchmark("readiness", options) as result:
        encoder = open_encoder(LITE0, options.image_size)
        for found in find_sets(options.sets, options.only):
            features = features_of(found, encoder)
            for draw in draws if options.part != "merges" else ():
                told += gains(features, draw, options.more, trained=options.trained)
                print(f"gains, draw {draw}, {features.name}", flush=True)
            if options.part != "gains":
                merges += proposed_merges(features, draws)
        if told:
            tell_gains(result, told)
        if merges:
            result.table("Merges that are proposed", merges)


def gains(features: Features, draw: int, more: Sequence[int], *, trained: bool) -> Iterator[Told]:
    """Predict, add, count: every class, every number of references that it has to spare."""
    rng = np.random.default_rng(draw)
    queries = np.flatnonzero(features.parts == "val")
    base, spare = _drawn(features, rng, queries)
    rows = np.concatenate(base)
    view = view_of(features, rows)
    outs = out_of_fold(view.training)
    nested = nested_errors(view.training)
    before = recalls(features, rows, queries, trained=trained)
    asked = np.bincount(features.codes[queries])
    for n in more:
        predicted = readiness(view, outs, more=n)
        part_of = rng.permutation(len(base)) % PARTS
        for part in range(PARTS):
            grown = [c for c in range(len(base)) if part_of[c] == part and len(spare[c]) >= n]
            if not grown:
                continue
            added = np.concatenate([rows, *(spare[c][:n] for c in grown)])
            after = recalls(features, added, queries, trained=trained)
            for c in grown:
                one = predicted[c]
                if one.gain is None or one.recall is None:
                    continue
                slope, doubling = last_slopes(nested, c, one)
                yield Told(
                    features.name, n, one.gain, slope, doubling,
                    float(after[c] - before[c]), int(asked[c]), one.verdict,
                )  # fmt: skip


def last_slopes(nested: Nested, c: int, one: ClassReadiness) -> tuple[float, float]:
    """Gains if the class went on as from its half to its whole."""
    missing = 1 - (one.recall or 0)
    whole, half = nested.groups[c, :2]
    if whole == half:
        return 0.0, 0.0
    fell = (nested.errors[c, 1] - nested.errors[c, 0]) / nested.asked[c]
    slope = fell / (whole - half) * one.more
    doubling = fell / np.log2(whole / half) * np.log2((one.groups + one.more) / one.groups)
    return float(np.clip(slope, 0, missing)), float(np.clip(doubling, 0, missing))


def tell_gains(result: Result, told: Sequence[Told]) -> None:
    """How far predictions are off, whether they are too high or low, and by size of prediction."""
    off = []
    for more in sorted({one.more for one in told}):
        some = [one for one in told if one.more == more]
        off += [
            {"more": more, "by": kind, "classes": len(some)} | _off(some, kind)
            for kind in ("predicted", "slope", "doubling")
        ]
    result.table("Gains of recall: predicted, and what came", off)
    by_set = []
    for name in sorted({one.name for one in told}):
        for more in sorted({one.more for one in told}):
            some = [one for one in told if (one.name, one.more) == (name, more)]
            if some:
                by_set.append(
                    {"set": name, "more": more, "classes": len(some)} | _off(some, "predicted")
                )
    result.table("The same by set", by_set)
    sized = []
    for more in sorted({one.more for one in told}):
        some = sorted((o for o in told if o.more == more), key=lambda one: one.predicted)
        for part in np.array_split(np.arange(len(some)), BINS):
            here = [some[i] for i in part]
            sized.append({"more": more} | _means(here))
    result.table("By size of the prediction", sized)
    verdicts = []
    for more in sorted({one.more for one in told}):
        for verdict in Verdict:
            here = [one for one in told if (one.more, one.verdict) == (more, verdict)]
            if here:
                verdicts.append({"more": more, "verdict": str(verdict)} | _means(here))
    result.table("By verdict", verdicts)


def _off(some: Sequence[Told], kind: str) -> dict[str, float]:
    predicted = np.array([getattr(one, kind) for one in some])
    came, weights = np.array([one.came for one in some]), [one.queries for one in some]
    off = predicted - came
    return {
        "mean predicted": round(float(np.average(predicted, weights=weights)), 3),
        "mean that came": round(float(np.average(came, weights=weights)), 3),
        "root mean square off": round(float(np.average(off**2, weights=weights)) ** 0.5, 3),
        "correlation": round(float(np.corrcoef(predicted, came)[0, 1]), 2),
    }


def _means(some: Sequence[Told]) -> dict[str, float]:
    weights = [one.queries for one in some]
    return {
        "classes": len(some),
        "mean predicted": round(float(np.average([o.predicted for o in some], weights=weights)), 3),
        "mean that came": round(float(np.average([o.came for o in some], weights=weights)), 3),
    }


def proposed_merges(features: Features, draws: Sequence[int]) -> Iterator[dict[str, Any]]:
    """By size: how many halves of one class are found, and what becomes of other proposals."""
    pool = np.flatnonzero(features.parts == "train")
    queries = np.flatnonzero(features.parts == "val")
    confused = _confusions(features, pool, queries)
    most = int(np.median(np.bincount(features.codes[pool]))) // 2
    for size in (size for size in SPLIT_SIZES if size <= most):
        halves, found, later = 0, 0, []
        for draw in draws:
            view, split = _with_split(features, pool, size, np.random.default_rng(draw))
            for one in readiness(view, out_of_fold(view.training)):
                merge = one.verdict is Verdict.MERGE
                if one.label in split:
                    halves += 1
                    found += merge and one.confused_with == split[one.label]
                elif merge and one.confused_with not in split:
                    a, b = int(one.label), int(one.confused_with or 0)
                    right = [
                        confused[x, x] / max(confused[x, x] + confused[x, y], 1)
                        for x, y in ((a, b), (b, a))
                    ]
                    later.append(float(np.mean(right)))
        yield {
            "set": features.name,
            "references": size,
            "halves": halves,
            "found": round(found / halves, 2),
            "other proposals": len(later),
            "of these told apart later (80 %)": sum(right >= 0.8 for right in later),
            "pair right later": round(float(np.mean(later)), 2) if later else None,
        }


def _with_split(
    features: Features, pool: Codes, size: int, rng: np.random.Generator
) -> tuple[GalleryView, dict[str, str]]:
    n_classes = int(features.codes.max()) + 1
    large = np.flatnonzero(np.bincount(features.codes[pool]) >= 2 * size)
    chosen = rng.choice(large, max(2, n_classes // SPLIT_SHARE), replace=False).tolist()
    rows, labels = [], []
    for c in range(n_classes):
        own = rng.permutation(pool[features.codes[pool] == c])[: size * (1 + (c in chosen))]
        rows.append(own)
        halves = [f"{c:03d}-{i % 2}" for i in range(len(own))]
        labels += halves if c in chosen else [f"{c:03d}"] * len(own)
    names = [(f"{c:03d}-0", f"{c:03d}-1") for c in chosen]
    split = dict(names) | {second: first for first, second in names}
    return view_of(features, np.concatenate(rows), labels), split


def _confusions(features: Features, pool: Codes, queries: Codes) -> Codes:
    answers = _answers(features, pool, features.unit[queries], trained=True)
    counts = np.zeros((int(features.codes.max()) + 1,) * 2, np.int64)
    np.add.at(counts, (features.codes[queries], answers), 1)
    return counts


def _drawn(
    features: Features, rng: np.random.Generator, queries: Codes
) -> tuple[list[Codes], list[Codes]]:
    """Of each class: its references, and others that are to spare, one of each group."""
    pool = np.flatnonzero(features.parts == "train")
    pool = pool[~np.isin(features.groups[pool], features.groups[queries])]
    base, spare = [], []
    for c in range(int(features.codes.max()) + 1):
        own = rng.permutation(pool[features.codes[pool] == c])
        own = own[np.sort(np.unique(features.groups[own], return_index=True)[1])]
        fitting = [size for size in SIZES if size + 5 <= len(own)]
        size = int(rng.choice(fitting)) if fitting else max(2, len(own) - 5)
        base.append(own[:size])
        spare.append(own[size:])
    return base, spare


def view_of(features: Features, rows: Codes, labels: Sequence[str] | None = None) -> GalleryView:
    """These pictures as a gallery, labelled by class number unless labels are given."""
    names = [f"{c:03d}" for c in features.codes[rows]] if labels is None else labels
    known, codes = np.unique(names, return_inverse=True)
    marks = [int(digest[:12], 16) for digest in features.digests[rows]]
    training = TrainingSet(
        labels=tuple(map(str, known)),
        vectors=np.asarray(features.unit[rows], np.float32),
        codes=codes.astype(np.int64),
        groups=np.arange(len(rows)),
        marks=np.array(marks, np.int64),
    )
    return GalleryView(
        [digest[:36] for digest in features.digests[rows]], [None] * len(rows), training
    )


def recalls(features: Features, rows: Codes, queries: Codes, *, trained: bool) -> Floats:
    """(C,) shares of right answers on the queries, learned from these rows."""
    right = _answers(features, rows, features.unit[queries], trained=trained)
    codes = features.codes[queries]
    recall: Floats = np.bincount(codes, right == codes) / np.bincount(codes)
    return recall


def _answers(features: Features, rows: Codes, queries: Vectors, *, trained: bool) -> Codes:
    training = view_of(features, rows).training
    if trained:
        answered = train(training).probabilities(queries.astype(np.float32))
        return np.asarray(answered.argmax(axis=1))
    span = Span.of(training.vectors)
    within = within_everything(training, FeatureMap.PLAIN, span)
    assert within is not None
    layer = span.layer(layer_of(within.shrunk_at_least(SHRINKAGE)))
    return np.asarray(layer.logits(queries).argmax(axis=1))


if __name__ == "__main__":
    main()
